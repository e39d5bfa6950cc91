"""An AWS account and an EKS cluster on one machine, made of real parts.

    parts          says where the programs are; building fetches or builds them once, from pins/
    certificates   one authority a sandbox, and what it signs
    layout         where one sandbox keeps its files and ports, and its description in sandbox.json
    processes      one row of data for each process: command, environment, what it needs, when it is ready
    control_plane  the rows and files of etcd, kube-apiserver and kube-controller-manager
    assembly       puts a whole sandbox together from the rows, and takes it down
    supervisor     starts the rows in order, finds what runs, stops it
    environment    what a program needs to be "in" the sandbox
    cli            `ackinstall sandbox up | down | status | env | exec | logs`

    aws            moto with corrections: the account, STS, EKS's view of the cluster, its login webhook
    registry       answers for public.ecr.aws, with charts
    node           stands in for a node: pods become ready, controllers run as processes

`up` chooses free ports, makes certificates, and starts everything in the background. Every process carries
the sandbox's folder in its environment. That mark, not a list of process ids, is how the sandbox finds its
own again: whatever a killed starter or a restarted machine leaves, the next `up` or `down` sees it.
`sandbox.json` is written last: a folder without it is a sandbox that never came up.

The product does not know the sandbox, and the sandbox does not know the product: they meet in environment
variables that any AWS, Kubernetes or Helm program reads.
"""
