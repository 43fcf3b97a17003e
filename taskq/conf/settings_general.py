"""Settings of the application as a whole."""

from __future__ import annotations

from typing import Final

from taskq.conf.kinds import FLAG, INTEGER, NAMES, PATH_OR_CLASS, SECRET, TEXT, Setting

ROWS: Final = (
    Setting(
        "accept_content",
        NAMES,
        ["json"],
        "Content types or serializer names a consumer will decode; anything else is refused.",
        old=("CELERY_ACCEPT_CONTENT",),
    ),
    Setting(
        "enable_utc",
        FLAG,
        True,
        "Send and interpret message times in UTC rather than local time.",
        old=("ENABLE_UTC", "CELERY_ENABLE_UTC"),
    ),
    Setting(
        "imports", NAMES, (), "Modules the worker imports when it starts.", old=("CELERY_IMPORTS",)
    ),
    Setting(
        "include",
        NAMES,
        (),
        "Extra modules to import, same idea as imports but meant for the app constructor.",
        old=("CELERY_INCLUDE",),
    ),
    Setting(
        "timezone",
        PATH_OR_CLASS,
        None,
        "Zone name or tzinfo used for schedules and for naive datetimes.",
        old=("CELERY_TIMEZONE",),
    ),
    Setting(
        "security_certificate",
        TEXT,
        None,
        "Path of the X.509 certificate for the auth serializer.",
        old=("CELERY_SECURITY_CERTIFICATE",),
    ),
    Setting(
        "security_cert_store",
        TEXT,
        None,
        "Glob of trusted certificates.",
        old=("CELERY_SECURITY_CERT_STORE",),
    ),
    Setting(
        "security_key",
        TEXT,
        None,
        "Path of the private key for the auth serializer.",
        old=("CELERY_SECURITY_KEY",),
    ),
    Setting(
        "security_key_password",
        SECRET,
        None,
        "Password of the private key.",
        old=("CELERY_SECURITY_KEY_PASSWORD",),
    ),
    Setting(
        "security_digest",
        TEXT,
        "sha256",
        "Digest used to sign messages.",
        old=("CELERY_SECURITY_DIGEST",),
    ),
    Setting(
        "CELERY_DB_REUSE_MAX",
        INTEGER,
        None,
        "Django only: close database connections after this many tasks.",
    ),
)
