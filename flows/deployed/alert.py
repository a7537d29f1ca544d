"""Sends a message to a web address when a requested or scheduled build fails, by a Prefect automation.

The message is JSON with one key, `text`, as Slack, Mattermost and others take it.
"""

import re
from datetime import timedelta
from typing import cast
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import PREFECT_UI_URL

from flows.deployed.deployments import connect_server
from flows.deployed.request import request_balanced_dataset
from flows.deployed.schedules import scheduled_build
from schemas.errors import Fault, SpecError

NAME, BLOCK = "makeweight: a build failed", "makeweight-alert"
FAILURES = ("Failed", "Crashed", "TimedOut")
BODY = "{{ flow_run.name }} ({{ deployment.name or flow.name }}): {{ flow_run.state.message }}"
PAGE = "/runs/flow-run/{{ flow_run.id }}"


def create_alert(url: str) -> str:
    """Create an automation that posts to `url` whenever a requested or scheduled build fails; return its id.

    An automation of the same name is replaced. Raises SpecError if `url` is no web address.
    """
    if not re.match(r"https?://[^/\s]+", url):
        raise SpecError(Fault((), "a message goes to a web address, as in https://hooks.example.org/…; got none"))
    with connect_server() as client:
        block = CustomWebhookNotificationBlock(name="makeweight", url=url, json_data={"text": "{{subject}}\n{{body}}"})
        saved = cast(UUID, block.save(BLOCK, overwrite=True))
        for old in client.read_automations_by_name(NAME):
            client.delete_automation(old.id)
        return str(client.create_automation(_automation(saved)))


def _automation(block: UUID) -> AutomationCore:
    flows = [request_balanced_dataset.name, scheduled_build.name]
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in FAILURES},
        match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification.model_validate(
            {"prefect.resource.role": "flow", "prefect.resource.name": flows}
        ),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    page = f"{PREFECT_UI_URL.value()}{PAGE}"  # the server itself need not know its address
    action = SendNotification(block_document_id=block, subject="A makeweight build failed", body=f"{BODY}\n{page}")
    description = "Posts a message when a requested or scheduled build fails; put up by `makeweight alert`."
    return AutomationCore(name=NAME, description=description, trigger=trigger, actions=[action])
