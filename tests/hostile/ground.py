"""A worker's machine in small: what its policy allows, what it does not, and what shows that something was touched."""

import os
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

HUSH = "hush-hush-0123456789"
ROWS = "a,b,y\n" + "".join(f"{n},{n * 3 % 17},{'x' if n % 4 else 'z'}\n" for n in range(60))
EVIL = "evil_module_of_an_attacker"
LONG_AGO = 1_000_000_000


class Listener:
    """An address that notes whoever calls it, with the headers of the call."""

    def __init__(self, answer=(200, {})):
        self.heard, (self.status, self.headers) = [], answer

    @contextmanager
    def running(self):
        """Listen for as long as the block lasts."""
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def _note(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                listener.heard.append((self.command, self.path, str(self.headers)))
                self.send_response(listener.status)
                for name, value in {**listener.headers, "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _note  # noqa: N815 (http.server's names)

            def log_message(self, *_):
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()


class Ground:
    """Folders `data`, `out` and `models` that the policy names, `outside` that it does not, and two addresses."""

    def __init__(self, root, friend, foe):
        self.root, self.friend, self.foe = root, friend, foe
        for name in ("data", "out", "models", "outside", "code", "cwd"):
            (root / name).mkdir()
        (self.data / "t.csv").write_text(ROWS)
        self.secret = root / "outside" / "secret.csv"
        self.secret.write_text(ROWS.replace("x", HUSH))
        (root / "code" / f"{EVIL}.py").write_text(f"open({str(root / 'imported')!r}, 'w').close()\nclass Evil: pass\n")
        self.policy = root / "policy.yaml"
        self.write_policy()
        self.before = {}

    data = property(lambda self: self.root / "data")
    out = property(lambda self: self.root / "out")
    models = property(lambda self: self.root / "models")
    outside = property(lambda self: self.root / "outside")

    def write_policy(self, **more):
        """Write a policy as a worker has it; parts of it may be given."""
        usual = {
            "read": [str(self.data), "s3://good/data"],
            "write": [str(self.out), "s3://good/out"],
            "models": [str(self.models)],
            "hosts": [f"http://127.0.0.1:{self.friend.port}"],
            "modules": ["tests.hostile.ground"],
            "max_rows": 1_000_000,
        }
        self.policy.write_text(yaml.safe_dump({**usual, **more}))

    def spec(self, **parts):
        """Return a sound request; parts of it may be given, by their dotted names too."""
        return {
            "name": "t",
            "source": {"path": str(self.data / "t.csv"), "label": "y"},
            "generator": {"name": "resample"},
            "validate": ["duplicates"],
            "output": {"path": str(self.out / "t")},
            **parts,
        }

    def watch(self):
        """Note how all is now: from here on, whatever is read, written, sent or imported shows."""
        for path in self._outside():
            if path.is_file() and not path.is_symlink():
                os.utime(path, (LONG_AGO, path.stat().st_mtime))
        self.before = self._seen()

    def touched(self):
        """Return what was touched beyond the policy since then; nothing, if it holds."""
        found = [f"sent: {call}" for one in (self.friend, self.foe) for call in one.heard]
        found += [f"read: {path}" for path in self._outside() if self._read(path)]
        now = self._seen()
        found += [f"written: {path}" for path in now if self.before.get(path) != now[path]]
        found += [f"removed: {path}" for path in self.before if path not in now]
        found += ["imported"] * (EVIL in sys.modules or (self.root / "imported").exists())
        return found

    def _outside(self):
        return sorted(self.outside.rglob("*"))

    def _read(self, path):
        return path.is_file() and not path.is_symlink() and path.stat().st_atime != LONG_AGO

    def _seen(self):
        """Return all files with their sizes and times, which no reading of ours moves."""
        kept = {}
        for path in sorted(self.root.rglob("*")):
            told = os.readlink(path) if path.is_symlink() else (path.stat().st_size, path.stat().st_mtime_ns)
            kept[str(path.relative_to(self.root))] = told if not path.is_dir() or path.is_symlink() else "folder"
        return kept
