"""Azurite, Microsoft's own stand-in for Azure Blob Storage, which checks signatures and checksums."""
import base64
import os
import pathlib
import re
import secrets
import subprocess

import azure.storage.blob

ACCOUNT = "acct1"
CONTAINER = "recordings"
PROGRAM = "node_modules/azurite/dist/src/blob/main.js"


class Azurite:
    """`client` looks at what is in the container, by Microsoft's own library."""

    kind = "azure"

    def __init__(self, folder: pathlib.Path):
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._popen = subprocess.Popen(
            [os.environ["NODE"], pathlib.Path(os.environ["AZURITE"]) / PROGRAM, "--silent", "--disableTelemetry",
             "--skipApiVersionCheck", "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0"],
            cwd=folder, env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = self._read_port()
        self.client = azure.storage.blob.ContainerClient(
            f"http://127.0.0.1:{self.port}/{ACCOUNT}", CONTAINER, credential=self.key)
        self.client.create_container()

    def _read_port(self) -> int:
        said = []
        for line in self._popen.stdout:
            said.append(line)
            found = re.search(r"listens on http://127\.0\.0\.1:(\d+)", line)
            if found:
                return int(found[1])
        raise AssertionError(f"Azurite has not started:\n{''.join(said)}")

    def storage(self, port=None, **changes) -> dict:
        return {"kind": self.kind, "bucket": CONTAINER, "endpoint": f"http://127.0.0.1:{port or self.port}",
                "azure": {"account_name": ACCOUNT, "account_key": self.key}} | changes

    def wrong_storage(self, port=None) -> dict:
        key = base64.b64encode(secrets.token_bytes(64)).decode()
        return self.storage(port, azure={"account_name": ACCOUNT, "account_key": key})

    def secrets(self) -> list:
        return [self.key]

    def read(self, key: str) -> bytes:
        return self.client.download_blob(key).readall()

    def content_type(self, key: str) -> str:
        return self.client.get_blob_client(key).get_blob_properties().content_settings.content_type

    def exists(self, key: str) -> bool:
        return self.client.get_blob_client(key).exists()

    def sas(self, permission: str, until) -> str:
        return azure.storage.blob.generate_container_sas(
            ACCOUNT, CONTAINER, account_key=self.key, permission=permission, expiry=until)

    def close(self):
        self._popen.terminate()
        self._popen.stdout.close()
        self._popen.wait(60)
