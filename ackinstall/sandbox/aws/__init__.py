"""The AWS side of the sandbox: moto in one process, corrected where it differs from AWS.

`server.Aws` is the WSGI application, `python -m ackinstall.sandbox.aws` the process. Each service with
corrections is a class whose public methods are the service's operations in snake case; every other
operation is answered by moto as it is.
"""

import os

# moto reads these once, when it is imported.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
os.environ.setdefault("MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS", "false")
