"""What schemathesis cannot know about this server."""

import itertools
import os
import urllib.request

import schemathesis
from schemathesis import GenerationMode

# Ids of secrets that were created and not deleted, newest last, and of API keys that the tool made.
live = []
made = set()
# Devboxes that run, newest last: a few, the others are shut down again.
running = []
DEVBOXES = {"POST /v1/devboxes", "POST /v1/devboxes/create_and_await_running"}


def shut_down(devbox):
    request = urllib.request.Request(f"{os.environ['TIGHTLIP_URL']}/v1/devboxes/{devbox}/shutdown", method="POST")
    request.add_header("Authorization", f"Bearer {os.environ['TIGHTLIP_API_KEY']}")
    urllib.request.urlopen(request, timeout=30).read()


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


calls = itertools.count()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The tool takes a stream's schema for one of each of its events, where the document says what the whole of it is: a string. It is given the events' own."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": raw_schema["components"]["schemas"]["OutputView"]}
    streams = [path["get"] for name, path in raw_schema["paths"].items() if name.endswith(("/stream_stdout_updates", "/stream_stderr_updates"))]
    assert len(streams) == 2, "the document tells of other streams: say here what their events are"
    for stream in streams:
        stream["responses"]["200"]["content"]["text/event-stream"]["schema"] = {"type": "object", "required": ["data"], "properties": {"data": data}}


@schemathesis.hook
def before_call(context, case, kwargs):
    """What is generated is mostly short, so names would mostly be taken, and an id cannot be guessed: every other call gets a new name, or an id there is."""
    number = next(calls)
    path = case.path_parameters or {}
    if case.operation.label.endswith("/revoke") and str(path.get("id")).startswith("key_") and path["id"] not in made:
        # It might be the key that the tool itself shows.
        path["id"] = f"key_{0:021}"
    # A hold of half a minute shows no more than a short one.
    if is_positive(case) and case.operation.label.endswith("/wait_for_status") and isinstance(case.body, dict):
        case.body["timeout_seconds"] = 1
    if not is_positive(case) or number % 2:
        return
    if "/devboxes/{" in case.operation.label and running:
        path["devbox_id" if "devbox_id" in path else "id"] = running[-1]
    if case.operation.label == "POST /v1/secrets" and isinstance(case.body, dict):
        case.body["name"] = f"{case.body['name'][:240]}.{number}"
    if "/secrets/id/" in case.operation.label and "id" in path and live:
        path["id"] = live[-1]


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code != 200:
        return
    if case.operation.label == "POST /v1/secrets":
        live.append(response.json()["id"])
    elif case.operation.label == "POST /v1/api-keys":
        made.add(response.json()["api_key"]["id"])
    elif case.operation.label in DEVBOXES:
        running.append(response.json()["id"])
        if len(running) > 3:
            shut_down(running.pop(0))
    elif case.operation.label.endswith("/shutdown"):
        running[:] = [known for known in running if known != response.json()["id"]]
    elif case.operation.label.endswith("/delete"):
        gone = response.json()["id"]
        live[:] = [known for known in live if known != gone]


# What ours.toml lets be refused though the document allows it, and the reasons for which it may be.
REFUSED = {"POST /v1/secrets": {"duplicate"}, "POST /v1/api-keys": {"key_name_illegal", "keys_too_many"}}
REFUSED_BELOW = {
    "/v1/devboxes/env": {"gateway_url_invalid", "source_networks_invalid", "allow_invalid", "variable_illegal", "variable_taken", "secret_invalid", "name_illegal", "entries_too_many", "keep_alive_invalid", "field_unsupported"},
    "/v1/devboxes": {"devbox_not_running", "hold_over", "variable_illegal", "variable_taken", "entry_illegal", "command_unfit", "command_invalid", "name_illegal", "field_unsupported", "metadata_invalid", "gateway_invalid", "entries_too_many", "keep_alive_invalid"},
    "/v1/gateway-configs": {"endpoint_invalid", "header_invalid", "auth_mechanism_invalid", "name_illegal", "description_invalid"},
}


@schemathesis.check
def a_good_request_is_refused_for_its_own_reasons_alone(ctx, response, case):
    if response.status_code not in (400, 408) or not is_positive(case):
        return
    path = case.operation.label.split(" ")[1]
    below = (reasons for start, reasons in REFUSED_BELOW.items() if path.startswith(start))
    reasons = REFUSED.get(case.operation.label) or next(below, None)
    if reasons:
        code = response.json()["code"]
        assert code in reasons, f"what the document allows was refused with {code}"
