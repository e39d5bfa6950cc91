"""Install AWS Controllers for Kubernetes for Amazon SageMaker on an EKS cluster, and take them away again."""

__version__ = "0.1.0"
