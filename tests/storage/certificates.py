"""An authority, and a certificate that it has signed, made by openssl."""
import pathlib
import subprocess


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make(folder: pathlib.Path, names: list) -> tuple:
    """`names`: "IP:127.0.0.1", "DNS:a.example". Paths of the authority, the certificate and its key."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
            "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=store",
            "-keyout", "key.pem", "-out", "request.pem")
    (folder / "names").write_text(f"subjectAltName={','.join(names)}\n")
    openssl(folder, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem")
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
