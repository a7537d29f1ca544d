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

from flows.deployed.policy import read_policy
from pipelines.engine.cluster import NODES
from pipelines.plan.policy import SETTING, Guard
from schemas.spec import Spec, parse
from tests.conftest import ROOT

INFRA = ROOT / "infra"
KUBERNETES = "1.34"
SECRETS = {
    "POSTGRES_PASSWORD": "p",
    "PREFECT_AUTH": "me:p",
    "RAY_AUTH_TOKEN": "t",
    "AWS_ACCESS_KEY_ID": "k",
    "AWS_SECRET_ACCESS_KEY": "s",
}


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


@pytest.mark.parametrize("missing", ["POSTGRES_PASSWORD", "PREFECT_AUTH", "RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY"])
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
    job = filled_in(template["job_configuration"]["job_manifest"], defaults | {"name": "run"})
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {one["name"] for one in container["env"]} >= {SETTING, NODES, "RAY_ADDRESS"}


@pytest.mark.parametrize("path", ["work-pool.json", "kubernetes/base-job-template.json"])
def test_a_single_run_cannot_change_what_it_runs_nor_the_policy(path):
    """Prefect lets each run set what a pool's template has variables for: a command, an image, an environment."""
    template = json.loads((INFRA / path).read_text())
    assert template["variables"]["additionalProperties"] is False
    for name in ("env", "command", "image", "working_dir", "namespace", "service_account_name", "cluster_config"):
        assert name not in template["variables"]["properties"]
        assert f"{{{{ {name} }}}}" not in json.dumps(template)
    assert "env" not in template["job_configuration"], "Prefect would merge a run's own into it"


WRITABLE = {"/tmp", "/home/makeweight", "/dev/shm"}  # noqa: S108 (folders of a container)


def everything():
    """Yield each pod of infra/ with its name, and what of it must be locked."""
    for path in ("kuberay/rayjob.yaml", "kuberay/raycluster.yaml", "kubernetes/worker.yaml"):
        for resource in documents(INFRA / path):
            if resource["apiVersion"] == "ray.io/v1":
                for number, template in enumerate(pod_templates(resource)):
                    yield f"{path} {number}", template["spec"]
                submitter = resource["spec"].get("submitterPodTemplate")
                yield from [(f"{path} submitter", submitter["spec"])] if submitter else []
            elif resource["kind"] == "Deployment":
                yield path, resource["spec"]["template"]["spec"]
    job = json.loads((INFRA / "kubernetes/base-job-template.json").read_text())
    yield "job", job["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]


def test_every_pod_runs_as_no_root_and_writes_nowhere_but_to_its_own_volumes():
    assert len(list(everything())) == 9
    for name, pod in everything():
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 1000), name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert locked_down(container["securityContext"]), name
            writable = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
            assert writable & WRITABLE, name
            assert writable <= WRITABLE, name


def locked_down(context):
    return context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_rays_autoscaler_is_locked_down_too():
    for path in ("kuberay/rayjob.yaml", "kuberay/raycluster.yaml"):
        (resource,) = [one for one in documents(INFRA / path) if one["apiVersion"] == "ray.io/v1"]
        spec = resource["spec"].get("rayClusterSpec", resource["spec"])
        assert locked_down(spec["autoscalerOptions"]["securityContext"])


def test_what_a_pod_runs_for_others_has_no_token_of_kubernetes():
    for name, pod in everything():
        reaches = pod.get("automountServiceAccountToken", True)
        assert not reaches or name.endswith(" 0") or name == "kubernetes/worker.yaml", name


def test_every_container_of_compose_is_locked_down():
    for name, service in documents(INFRA / "compose.yaml")[0]["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name == "store-folder":
            assert (service["cap_add"], service["network_mode"]) == (["CHOWN"], "none")
            continue
        assert not service["user"].startswith("0"), name
        assert "cap_add" not in service, name
        assert service["tmpfs"], name


def test_prefects_api_is_behind_a_password_and_open_to_no_other_page():
    services = documents(INFRA / "compose.yaml")[0]["services"]
    server, worker = services["prefect-server"]["environment"], services["prefect-worker"]["environment"]
    assert server["PREFECT_SERVER_API_AUTH_STRING"] == "${PREFECT_AUTH:?set it in infra/.env}"
    assert worker["PREFECT_API_AUTH_STRING"] == "${PREFECT_AUTH:?set it in infra/.env}"
    assert server["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200"
    empty = [line for line in (INFRA / "example.env").read_text().splitlines() if line.startswith("PREFECT_AUTH")]
    assert empty == ["PREFECT_AUTH="], "no password comes with it"


def test_the_workers_have_a_policy():
    worker = documents(INFRA / "compose.yaml")[0]["services"]["prefect-worker"]
    assert worker["environment"][SETTING] == "/etc/makeweight/policy.yaml"
    assert "./policy.yaml:/etc/makeweight/policy.yaml:ro" in worker["volumes"]
    policy = read_policy(str(INFRA / "policy.yaml"))
    spec = next(one for one in documents(INFRA / "kuberay/rayjob.yaml") if one["kind"] == "ConfigMap")["data"]
    assert Guard(policy, "policy.yaml").admitted(parse(Spec, yaml.safe_load(spec["spec.yaml"])))
    (nightly,) = [one for one in documents(INFRA / "prefect.yaml")[0]["deployments"] if one["name"] == "nightly"]
    assert Guard(policy, "policy.yaml").file_to_read(nightly["parameters"]["spec"])


def images():
    """Yield every image that is named in infra/."""
    for path in sorted(INFRA.rglob("*")):
        if path.suffix in (".yaml", ".json"):
            yield from re.findall(r"^\s*\"?image\"?: \"?([^\s\"]+)", path.read_text(), re.MULTILINE)
    yield from re.findall(r"^FROM (\S+)", (INFRA / "Containerfile").read_text(), re.MULTILINE)


def test_every_image_is_of_a_version():
    found = list(images())
    assert len(found) > 8
    for image in found:
        assert re.search(r":v?\d+\.\d+", image), image
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {image for image in found if image.startswith("makeweight")} == {f"makeweight:{version}"}


def test_the_image_installs_by_the_lock_and_runs_as_no_root():
    lines = (INFRA / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    assert [line for line in lines if line.startswith("ARG ")] == ['ARG TORCH_INDEX=""']
    needed, itself = [line for line in lines if "pip install" in line]
    assert "--constraint requirements.lock" in needed
    assert "--no-deps" in itself
    assert not [line for line in lines if line.startswith("COPY --")], "flags of COPY are not known to every builder"
    assert [line for line in lines if line.startswith("USER ")] == ["USER 1000:1000"]
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
