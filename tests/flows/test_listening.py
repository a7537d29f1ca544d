"""Ray and Prefect answer on the loopback interface alone, unless their own settings say otherwise."""

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path

BUILD = """
import json, sys
import psutil
from flows.build import build
from flows.progress import Listener, listen
from schemas.spec import Spec, parse

class Ears(Listener):
    found = set()
    def filled(self, progress):
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            for socket in process.net_connections("inet"):
                if socket.status == psutil.CONN_LISTEN:
                    self.found.add((process.name(), socket.laddr.ip))

with listen(Ears()):
    build(parse(Spec, json.loads(sys.argv[1])))
print(json.dumps(sorted(Ears.found)))
"""


def test_nothing_listens_beyond_this_machine_while_a_build_runs(make_spec) -> None:
    spec = make_spec().model_dump_json(by_alias=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_ADDRESS", "PREFECT_API"))}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", BUILD, spec], cwd=root, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [(name, ipaddress.ip_address(ip)) for name, ip in json.loads(done.stdout.splitlines()[-1])]
    assert {"gcs_server", "raylet"} <= {name for name, _ in found}
    assert any(name.startswith("python") for name, _ in found), "Prefect's server"
    assert [name for name, ip in found if not (getattr(ip, "ipv4_mapped", None) or ip).is_loopback] == []
