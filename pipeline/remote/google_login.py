"""Google's credentials of the environment."""

from typing import Any

from clickwright.schemas.errors import MachineError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def google_credentials() -> Any:
    """Finds the application default credentials.

    Returns:
        `google.auth.credentials.Credentials`, not asked for a token yet.

    Raises:
        MachineError: the environment holds none, or they cannot be read.
    """
    import google.auth
    from google.auth import exceptions

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except exceptions.DefaultCredentialsError as error:
        raise MachineError(
            f"No Google credentials can be used: {' '.join(str(error).split())}",
            where="GOOGLE_APPLICATION_CREDENTIALS",
            fix="set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run "
            "`gcloud auth application-default login`",
        ) from error
    return credentials


def refused(error: Exception) -> MachineError:
    """What to tell when Google takes none of the credentials that were found."""
    return MachineError(
        f"Google refuses the credentials: {' '.join(str(error).split())}",
        where="GOOGLE_APPLICATION_CREDENTIALS",
        fix="give others: a new credentials file, or `gcloud auth "
        "application-default login` again",
    )
