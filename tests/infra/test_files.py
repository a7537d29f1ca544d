"""The files of infra/ by their own validators: compose, Kubernetes' schemas, and what ties them to the code."""

import copy
import json
import os
import re
import shutil
import subprocess
import tomllib

import kubernetes_validate
import pytest
import yaml

from pipelines.reach import NODES
from schemas.spec import Spec, parse
from tests.conftest import ROOT

INFRA = ROOT / "infra"
KUBERNETES = "1.34"
SECRETS = {"POSTGRES_PASSWORD": "p", "RAY_AUTH_TOKEN": "t", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def compose_command():
    """Return the compose client that is here: docker's plugin, or the older program."""
    for command in (["docker", "compose"], ["docker-compose"]):
        there = shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0
        if there:
            return command
    pytest.skip("no compose client is installed (Debian: apt-get install docker-compose)")


def composed(**environment):
    command = [*compose_command(), "--file", str(INFRA / "compose.yaml"), "config"]
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True)


def test_compose_takes_its_file():
    done = composed(**SECRETS)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert {"postgres", "store", "prefect-server", "prefect-worker", "ray-head", "ray-worker"} <= set(services)
    for name in ("prefect-worker", "ray-head", "ray-worker"):
        assert {"AWS_ENDPOINT_URL", "RAY_AUTH_TOKEN"} <= set(services[name]["environment"]), name


@pytest.mark.parametrize("missing", ["POSTGRES_PASSWORD", "RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY"])
def test_compose_starts_nothing_without_its_secrets(missing):
    done = composed(**{name: value for name, value in SECRETS.items() if name != missing})
    assert done.returncode != 0
    assert "set it in infra/.env" in done.stderr


def test_compose_shows_its_ports_to_this_machine_alone():
    ports = [
        port
        for service in documents(INFRA / "compose.yaml")[0]["services"].values()
        for port in service.get("ports", [])
    ]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_example_settings_name_all_that_compose_asks_for():
    asked = set(re.findall(r"\$\{(\w+)", (INFRA / "compose.yaml").read_text()))
    named = {line.partition("=")[0] for line in (INFRA / "example.env").read_text().splitlines() if "=" in line}
    assert asked <= named


def pod_templates(resource):
    """Yield the pod templates of Ray's own resources, whose schemas are KubeRay's."""
    spec = resource["spec"].get("rayClusterSpec", resource["spec"])
    yield spec["headGroupSpec"]["template"]
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        yield group["template"]


@pytest.mark.parametrize("path", ["kuberay/rayjob.yaml", "kuberay/raycluster.yaml", "kubernetes/worker.yaml"])
def test_kubernetes_schemas_take_what_is_theirs(path):
    resources = documents(INFRA / path)
    assert resources
    for resource in resources:
        if resource["apiVersion"] != "ray.io/v1":
            kubernetes_validate.validate(resource, KUBERNETES, strict=True)
            continue
        for template in pod_templates(resource):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": template["spec"]}
            kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_kubernetes_schemas_refuse_a_misspelt_key():
    resource = copy.deepcopy(documents(INFRA / "kubernetes/worker.yaml")[-1])
    resource["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


@pytest.mark.parametrize("path", ["kuberay/rayjob.yaml", "kuberay/raycluster.yaml"])
def test_ray_grows_by_gpu_workers_from_none(path):
    (resource,) = [one for one in documents(INFRA / path) if one["apiVersion"] == "ray.io/v1"]
    spec = resource["spec"].get("rayClusterSpec", resource["spec"])
    (gpu,) = [group for group in spec["workerGroupSpecs"] if group["groupName"] == "gpu"]
    assert (spec["enableInTreeAutoscaling"], gpu["minReplicas"], gpu["maxReplicas"] > 1) == (True, 0, True)
    assert gpu["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["rayVersion"] == locked("ray")


def locked(name):
    (found,) = re.findall(rf"^{name}==([\w.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return found


def test_the_worker_is_of_the_locked_prefect():
    assert f"prefect:{locked('prefect')}-" in (INFRA / "kubernetes/worker.yaml").read_text()


def test_the_job_is_told_that_its_cluster_grows():
    job = next(one for one in documents(INFRA / "kuberay/rayjob.yaml") if one["kind"] == "RayJob")
    (head,) = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert NODES in {one["name"] for one in head["env"]}


def test_the_jobs_spec_is_one():
    spec = next(one for one in documents(INFRA / "kuberay/rayjob.yaml") if one["kind"] == "ConfigMap")["data"][
        "spec.yaml"
    ]
    assert parse(Spec, yaml.safe_load(spec)).generator.gpus == 1


def filled_in(part, variables):
    """Put the variables' defaults into a job template, as Prefect does: a whole placeholder takes the value's type."""
    if isinstance(part, dict):
        made = {key: filled_in(value, variables) for key, value in part.items()}
        return {key: value for key, value in made.items() if value is not None}
    if isinstance(part, list):
        return [filled_in(value, variables) for value in part]
    whole = re.fullmatch(r"\{\{ (\w+) \}\}", part) if isinstance(part, str) else None
    return (
        variables[whole[1]]
        if whole
        else re.sub(r"\{\{ (\w+) \}\}", lambda one: variables[one[1]], str(part))
        if isinstance(part, str)
        else part
    )


def test_a_flow_runs_job_is_one_that_kubernetes_takes():
    template = json.loads((INFRA / "kubernetes/base-job-template.json").read_text())
    defaults = {name: known.get("default") for name, known in template["variables"]["properties"].items()}
    env = [{"name": name, "value": value} for name, value in defaults["env"].items()]
    run = {"name": "run", "command": ["prefect", "flow-run", "execute"], "env": env, "labels": {}, "annotations": {}}
    job = filled_in(template["job_configuration"]["job_manifest"], defaults | run)
    kubernetes_validate.validate(job, KUBERNETES, strict=True)


def test_the_image_installs_by_the_lock_and_runs_as_no_root():
    lines = (INFRA / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    assert [line for line in lines if line.startswith("ARG ")] == ['ARG TORCH_INDEX=""']
    needed, itself = [line for line in lines if "pip install" in line]
    assert "--constraint requirements.lock" in needed
    assert "--no-deps" in itself
    assert not [line for line in lines if line.startswith("COPY --")], "flags of COPY are not known to every builder"
    assert [line for line in lines if line.startswith("USER ")] == ["USER makeweight"]
    copied = {
        name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1] if not name.startswith("--")
    }
    assert not [name for name in copied if not (ROOT / name).exists()]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in packages} <= copied


def test_the_images_entry_is_a_sound_shell_script():
    assert subprocess.run(["sh", "-n", str(INFRA / "entrypoint.sh")]).returncode == 0
    done = subprocess.run(
        ["sh", str(INFRA / "entrypoint.sh"), "echo", "hello"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout == "hello\n"


def joining(tmp_path, ray, *command, **environment):
    """Run the image's entry with a program in Ray's place."""
    program = tmp_path / "ray"
    program.write_text(f"#!/bin/sh\n{ray}\n")
    program.chmod(0o755)
    return subprocess.run(
        ["sh", str(INFRA / "entrypoint.sh"), *command],
        capture_output=True,
        text=True,
        timeout=600,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "RAY_ADDRESS": "head:6379", **environment},
    )


def test_the_images_entry_joins_the_cluster_before_it_runs_a_command(tmp_path):
    done = joining(tmp_path, f'echo "$@" >{tmp_path}/asked', "echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert "start --address=head:6379 --num-cpus=0" in (tmp_path / "asked").read_text()


def test_the_images_entry_says_that_it_cannot_join(tmp_path):
    done = joining(tmp_path, "echo no such head; exit 1", "echo", "hello", RAY_JOIN_TRIES="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no such head\nmakeweight: the Ray cluster at head:6379 was not joined")


def test_the_images_entry_starts_a_node_as_it_is_told(tmp_path):
    done = joining(tmp_path, 'echo "$@"', "ray", "start", "--head")
    assert (done.returncode, done.stdout) == (0, "start --head\n")


def test_the_secrets_are_kept_out_of_git():
    assert "/.env" in (INFRA / ".gitignore").read_text().splitlines()
