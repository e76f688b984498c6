"""What schemathesis cannot know about this server."""

import itertools

import schemathesis
from schemathesis import GenerationMode

# Ids of secrets that were created and not deleted, newest last, and of API keys that the tool made.
live = []
made = set()


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


calls = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """What is generated is mostly short, so names would mostly be taken, and an id cannot be guessed: every other call gets a new name, or an id there is."""
    number = next(calls)
    path = case.path_parameters or {}
    if case.operation.label.endswith("/revoke") and str(path.get("id")).startswith("key_") and path["id"] not in made:
        # It might be the key that the tool itself shows.
        path["id"] = f"key_{0:021}"
    if not is_positive(case) or number % 2:
        return
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
    elif case.operation.label.endswith("/delete"):
        gone = response.json()["id"]
        live[:] = [known for known in live if known != gone]


# What ours.toml lets be refused though the document allows it, and the reasons for which it may be.
REFUSED = {"POST /v1/secrets": {"duplicate"}, "POST /v1/api-keys": {"key_name_illegal", "keys_too_many"}}


@schemathesis.check
def a_good_create_is_refused_for_its_own_reasons_alone(ctx, response, case):
    reasons = REFUSED.get(case.operation.label)
    if reasons and response.status_code == 400 and is_positive(case):
        assert response.json()["code"] in reasons, "a create that the document allows was refused"
