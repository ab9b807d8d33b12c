"""The sandbox's keys: made once, by whoever is first, readable by nobody else."""
from __future__ import annotations

import stat
import threading

from cryptography.hazmat.primitives import serialization

from engine.base import settings
from sandbox import keys


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_they_are_made_once():
    keys.ensure()
    made = content(settings.secrets_dir())
    assert len(made) == 7
    keys.ensure()
    assert content(settings.secrets_dir()) == made


def test_the_halves_belong_together(tmp_path):
    keys.ensure(tmp_path)
    for name in keys.PAIRS:
        private = serialization.load_pem_private_key((tmp_path / f"{name}.pem").read_bytes(), None)
        public = serialization.load_pem_public_key((tmp_path / f"{name}.pub.pem").read_bytes())
        assert private.public_key().public_numbers() == public.public_numbers()
    ring = tmp_path / "sandbox-gateway.keys" / "gateway-1.pem"
    assert ring.read_bytes() == (tmp_path / "sandbox-gateway.pub.pem").read_bytes()
    assert all(len((tmp_path / name).read_text()) == 32 for name in keys.SHARED)


def test_nobody_else_reads_them(tmp_path):
    keys.ensure(tmp_path / "secrets")
    for path in [tmp_path / "secrets", *(tmp_path / "secrets").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_missing_half_is_made_from_the_other(tmp_path):
    keys.ensure(tmp_path)
    before = content(tmp_path)
    (tmp_path / "sandbox-merchant.pub.pem").unlink()
    keys.ensure(tmp_path)
    assert content(tmp_path) == before


def test_more_shared_secrets_when_asked_for(tmp_path):
    keys.ensure_shared(["a.key", "b.key"], tmp_path)
    before = content(tmp_path)
    keys.ensure_shared(["a.key", "b.key", "c.key"], tmp_path)
    assert len(before) == 2 and content(tmp_path).items() > before.items()


def test_several_at_once_agree(tmp_path):
    threads = [threading.Thread(target=keys.ensure, args=(tmp_path,)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    private = serialization.load_pem_private_key((tmp_path / "sandbox-merchant.pem").read_bytes(), None)
    public = serialization.load_pem_public_key((tmp_path / "sandbox-merchant.pub.pem").read_bytes())
    assert private.public_key().public_numbers() == public.public_numbers()
    assert len(content(tmp_path)) == 7, "no draft is left behind"
