"""Egresses whose files go to a store, and what is in it."""
import pathlib
import sys

from livekit import api

sys.path.append(str(pathlib.Path(__file__).parent.parent / "storage"))

from fault_proxy import FaultProxy  # noqa: E402, F401
from moto_server import BUCKET, REGION, Moto  # noqa: E402, F401


def s3(moto, url=None, **options) -> api.S3Upload:
    return api.S3Upload(**{"access_key": moto.access_key, "secret": moto.secret, "bucket": BUCKET,
                           "endpoint": url or moto.url, "region": REGION,
                           "force_path_style": True} | options)


def s3_config(moto, url=None, **options) -> dict:
    """The same for the service's configuration."""
    return {"s3": {"access_key": moto.access_key, "secret": moto.secret, "bucket": BUCKET,
                   "endpoint": url or moto.url, "region": REGION,
                   "force_path_style": True} | options}


def location(moto, key: str, url=None) -> str:
    return f"{url or moto.url}/{BUCKET}/{key}"


def fetch(moto, key: str, folder: pathlib.Path) -> pathlib.Path:
    """A copy of an object."""
    path = folder / key.replace("/", "-")
    path.write_bytes(moto.content(key))
    return path


def spool(service) -> list:
    """What of egresses waits in the spool of a service."""
    folder = pathlib.Path(service.config["state_dir"]) / "spool"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []


def spooled_files(service, egress_id: str) -> list:
    folder = pathlib.Path(service.config["state_dir"]) / "spool" / egress_id
    return sorted(str(path.relative_to(folder)) for path in folder.glob("[0-9]*/**/*")
                  if path.is_file())
