"""The node stand-in: what EKS's nodes do for a pod, without containers.

Pods of known controllers run as processes, with the pod's arguments, environment and identity, and their
state is reported truthfully. Every other pod is only marked as running, as a pause container would be: a Job
never completes here. Init containers, probes' initial delays and resource limits are left out.
"""
