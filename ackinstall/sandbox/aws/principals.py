"""Whom an access key belongs to: the users of the account and the roles that somebody has assumed."""

from dataclasses import dataclass
from datetime import UTC, datetime

from moto.sts.models import AssumedRole

from ackinstall.sandbox.aws.account import Account


@dataclass(frozen=True)
class Principal:
    """A caller of AWS as GetCallerIdentity names it, with the secret that its calls are signed with.

    `role_arn` and all that is of a session are empty for a user; `session_policy` is the JSON text of the
    policy that the session was narrowed by, if it was.
    """

    arn: str
    user_id: str
    access_key_id: str
    secret_access_key: str
    role_arn: str = ""
    session_name: str = ""
    session_token: str = ""
    session_policy: str = ""
    expiration: datetime | None = None

    @property
    def expired(self) -> bool:
        """Whether these were temporary credentials, and their time is over."""
        return self.expiration is not None and self.expiration <= datetime.now(UTC)


def assumed(role: AssumedRole) -> Principal:
    """Return the principal that moto's record of an assumed role stands for."""
    return Principal(
        arn=role.arn,
        user_id=role.user_id,
        access_key_id=role.access_key_id,
        secret_access_key=role.secret_access_key,
        role_arn=role.role_arn,
        session_name=role.session_name,
        session_token=role.session_token,
        session_policy=role.policy or "",
        expiration=role.expiration.replace(tzinfo=UTC),
    )


def find(account: Account, access_key_id: str) -> Principal | None:
    """Look up whom an access key belongs to; None when nobody has it, or it is inactive."""
    if role := account.sts.get_assumed_role_from_access_key(access_key_id):
        return assumed(role)
    key = account.iam.access_keys.get(access_key_id)
    if key is None or key.user_name is None or key.status != "Active":
        return None
    user = account.iam.users[key.user_name]
    return Principal(user.arn, user.id, key.access_key_id, key.secret_access_key)
