"""A world in this process for tests: AWS (moto, as the sandbox serves it), a fake cluster and a fake Helm.

- faults: what goes wrong; every call of every world passes one `Faults`, which counts, kills, loses replies
- aws: boto3 clients whose requests end in the sandbox's AWS application, without a socket
- cluster: an API server and its controllers in memory; kube is the product's face of it
- helm: Helm in memory, with the charts in charts/, which chart renders
- world: the three together: `up`, `down`, and the inventory of everything that there is
- suffering: whole runs under every crash and every lost reply
"""
