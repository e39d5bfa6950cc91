"""A stand-in for the ACK controller for Application Auto Scaling, where the real one cannot be had.

Custom resources, flags, messages and deletion behave like those of github.com/aws-controllers-k8s/runtime
v0.61. Left out: resource tags, references to other custom resources (roleRef, resourceRef), read-only
resources, field exports, other accounts, leader election and metrics.
"""
