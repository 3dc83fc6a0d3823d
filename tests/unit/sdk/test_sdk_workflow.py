from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

import flowmesh
from flowmesh import Jitter, RetryPolicy, Workflow, WorkflowFileError


@flowmesh.task(retry=RetryPolicy(maximum_attempts=7))
def fetch(url: str) -> str:
    return url


@flowmesh.task(name="text.parse")
def parse(text: str) -> str:
    return text


def not_a_task() -> None: ...


def one_node(**fields: Any) -> dict[str, Any]:
    return {"name": "w", "dag": {"nodes": [{"id": "a", "handler": "h", **fields}]}}


def violations(value: Any) -> dict[str, str]:
    with pytest.raises(WorkflowFileError) as caught:
        Workflow.from_dict(value) if isinstance(value, dict) else Workflow.from_json(value)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_references_become_templates_and_dependencies() -> None:
    wf = Workflow("w")
    a = wf.node(fetch, url=Workflow.input["url"])
    b = wf.node(parse, text=a.output["body"][0]["two words"], id="b")
    wf.node("h", id="c", deep=[{"x": (a.output, f"got {b.output}")}], after=["z"])
    first, second, third = wf.to_dict()["dag"]["nodes"]
    assert first == {
        "id": "fetch",
        "handler": "fetch",
        "config": {"url": "{{ input.url }}"},
        "retry_policy": {"maximum_attempts": 7},
    }
    assert second["handler"] == "text.parse"
    assert second["config"] == {"text": '{{ fetch.output.body[0]["two words"] }}'}
    assert second["dependencies"] == ["fetch"]
    assert third["config"] == {"deep": [{"x": ["{{ fetch.output }}", "got {{ b.output }}"]}]}
    assert third["dependencies"] == ["z", "fetch", "b"]


@pytest.mark.parametrize(
    ("condition", "dependencies"),
    [
        ("a.output.n > 3 && b.ok", ["a", "b"]),
        ("input.a == 'b' && c.a", ["c"]),
        ('input.x == "a \\" b"', []),
        ('nodes["my-node"].output.n > a.output.n', ["my-node", "a"]),
    ],
)
def test_a_condition_adds_the_nodes_it_names(condition: str, dependencies: list[str]) -> None:
    wf = Workflow("w")
    for name in ("a", "b", "c", "my-node"):
        wf.node("h", id=name)
    wf.node("h", id="last", condition=condition)
    assert list(wf.nodes[-1].dependencies) == dependencies


def test_ids_are_made_from_handlers_and_stay_unique() -> None:
    wf = Workflow("w")
    ids = [wf.node(handler).id for handler in ("a.b/c", "a.b/c", "9", "input", fetch, fetch)]
    assert ids == ["a_b_c", "a_b_c_2", "_9", "input_2", "fetch", "fetch_2"]


def test_arguments_whose_names_are_taken_go_through_config() -> None:
    wf = Workflow("w")
    wf.node("h", config={"id": 1, "after": 2}, n=3)
    assert wf.nodes[0].config == {"id": 1, "after": 2, "n": 3}
    with pytest.raises(ValueError, match="n"):
        wf.node("h", config={"n": 1}, n=2)


def test_a_taken_id_and_a_function_that_is_no_task_are_refused() -> None:
    wf = Workflow("w")
    wf.node("h", id="a")
    with pytest.raises(ValueError, match="'a'"):
        wf.node("h", id="a")
    with pytest.raises(TypeError, match="not a task"):
        wf.node(not_a_task)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (
            flowmesh.NodeReference("a-b").output["x"][0].or_else({"n": None}),
            '{{ has(nodes["a-b"].output) ? nodes["a-b"].output.x[0] : {"n":null} }}',
        ),
        (Workflow.input["output"].or_else("x"), '{{ has(input.output) ? input.output : "x" }}'),
        (
            flowmesh.NodeReference("a").output.or_else(Workflow.input["x"]),
            '{{ has(nodes["a"].output) ? nodes["a"].output : input.x }}',
        ),
    ],
)
def test_a_reference_may_have_a_default(reference: flowmesh.Reference, text: str) -> None:
    assert str(reference) == text
    wf = Workflow("w")
    wf.node("h", id="a")
    wf.node("h", id="a-b")
    wf.node("h", id="c", x=reference)
    assert wf.nodes[-1].dependencies == tuple(name for name in ("a", "a-b") if f'"{name}"' in text)


def test_a_reference_does_not_pretend_to_be_a_list() -> None:
    with pytest.raises(TypeError):
        iter(Workflow.input)


CONFIG = {
    "z": 2**200,
    "a": [1.0, 0.1, -0.0, 1e300, None, True],
    "ü": "🎉 {{ input }}",
    "nested": {"b": {}, "a": []},
}


def full() -> Workflow:
    wf = Workflow("w")
    wf.node(
        "h",
        id="a",
        config=CONFIG,
        condition="input.x",
        retry=RetryPolicy(
            maximum_attempts=5,
            initial_interval=timedelta(milliseconds=1500),
            backoff_coefficient=1.5,
            maximum_interval=timedelta(hours=1),
            non_retryable_error_types=("ValueError",),
            jitter=Jitter.NONE,
            maximum_lost=2,
        ),
        timeout=timedelta(seconds=90),
        heartbeat_timeout=timedelta(microseconds=250_000),
    )
    return wf


def test_everything_survives_json_and_protobuf() -> None:
    wf = full()
    read = Workflow.from_json(wf.to_json(indent=2).encode())
    assert read.nodes == wf.nodes
    assert list(read.nodes[0].config) == list(CONFIG)
    assert Workflow.from_proto(wf.to_proto()).nodes == wf.nodes
    assert json.dumps(Workflow.from_proto(wf.to_proto()).to_dict()) == json.dumps(wf.to_dict())


def test_spans_and_enums_are_written_as_protobuf_writes_them() -> None:
    node = full().to_dict()["dag"]["nodes"][0]
    assert node["retry_policy"]["initial_interval"] == "1.5s"
    assert node["retry_policy"]["jitter"] == "JITTER_NONE"
    assert node["timeouts"] == {"start_to_close": "90s", "heartbeat": "0.25s"}


def test_protobuf_reads_the_json() -> None:
    from google.protobuf import json_format

    from flowmesh.v1 import workflow_pb2

    message = json_format.Parse(full().to_json(), workflow_pb2.Workflow())
    assert message.dag.nodes[0].retry_policy == full().to_proto().dag.nodes[0].retry_policy
    assert message.dag.nodes[0].timeouts == full().to_proto().dag.nodes[0].timeouts


def test_camel_case_is_read_too() -> None:
    given = one_node(retryPolicy={"maximumAttempts": 2}, timeouts={"startToClose": "2s"})
    node = Workflow.from_dict(given).nodes[0]
    assert node.retry.maximum_attempts == 2
    assert node.timeouts.start_to_close == timedelta(seconds=2)


def test_repeated_node_ids_reach_the_server_which_names_them() -> None:
    value = {"name": "w", "dag": {"nodes": [{"id": "a", "handler": "h"}] * 2}}
    assert len(Workflow.from_dict(value).to_proto().dag.nodes) == 2


def test_all_problems_of_a_file_are_named_at_once() -> None:
    found = violations(
        {
            "name": 1,
            "extra": 1,
            "dag": {
                "nodes": [
                    {"id": "a"},
                    {"id": "b", "handler": "h", "config": [], "dependencies": ["a", 3]},
                    {
                        "id": "c",
                        "handler": "h",
                        "retry_policy": {"maximum_attempts": 2**31, "jitter": "SOME"},
                    },
                    {"id": "d", "handler": "h", "timeouts": {"heartbeat": "1 minute", "other": "1s"}},
                    {"id": "e", "handler": "h", "retryPolicy": {}, "retry_policy": {}},
                    7,
                ]
            },
        }
    )
    assert found == {
        "name": "is not a string",
        "extra": "is unknown",
        "dag.nodes[0].handler": "is missing",
        "dag.nodes[1].config": "is not an object",
        "dag.nodes[1].dependencies[1]": "is not a string",
        "dag.nodes[2].retry_policy.maximum_attempts": "does not fit 32 bits",
        "dag.nodes[2].retry_policy.jitter": "is not JITTER_FULL or JITTER_NONE",
        "dag.nodes[3].timeouts.heartbeat": "is not a span such as `1.5s`",
        "dag.nodes[3].timeouts.other": "is unknown",
        "dag.nodes[4].retry_policy": "is given more than once",
        "dag.nodes[5]": "is not an object",
    }


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (b'{"name": "w"}', "dag", "missing"),
        (b'["w"]', "", "not an object"),
        (b"{", "", "not JSON"),
        (b'{"name": "\xff"}', "", "not UTF-8"),
        (b'{"name": "w", "name": "v", "dag": {"nodes": []}}', "name", "more than once"),
        (
            json.dumps(one_node(config={"x": 1})).replace('"x": 1', '"x": 1, "x": 1'),
            "dag.nodes[0].config.x",
            "more",
        ),
        (json.dumps(one_node(config={"x": [float("nan")]})), "dag.nodes[0].config.x[0]", "finite"),
        (
            json.dumps(one_node(config={"x": 1})).replace("1}", "-Infinity}"),
            "dag.nodes[0].config.x",
            "finite",
        ),
        (json.dumps(one_node(config={"x": 1})).replace("1}", "1e999}"), "dag.nodes[0].config.x", "finite"),
        (json.dumps(one_node(config={"x": "\ud800"})), "dag.nodes[0].config.x", "surrogate"),
        (json.dumps(one_node(config={"\ud800": 1})), "dag.nodes[0].config.\\ud800", "unicode"),
        (
            json.dumps(one_node(retry_policy={"backoff_coefficient": 10**400})),
            "dag.nodes[0].retry_policy.backoff_coefficient",
            "double",
        ),
        (
            json.dumps(one_node(timeouts={"heartbeat": "\u0663s"})),
            "dag.nodes[0].timeouts.heartbeat",
            "span",
        ),
        ("[" * 100_000, "", "deeper"),
        (
            json.dumps(one_node()).replace('"id"', '"config": {"x": %s}, "id"' % ("[" * 120 + "]" * 120)),
            "",
            "deeper",
        ),
        (json.dumps(one_node(config={"x": 1})).replace("1}", "9" * 5_000 + "}"), "", "not JSON"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(text: str | bytes, field: str, words: str) -> None:
    found = violations(text)
    assert any(path.startswith(field) and words in said for path, said in found.items()), found


@pytest.mark.parametrize("value", [float("inf"), {1, 2}, b"x", {1: 2}])
def test_dicts_with_values_that_json_lacks_are_refused(value: Any) -> None:
    assert any(path.startswith("dag.nodes[0].config") for path in violations(one_node(config={"x": value})))


def test_configs_that_are_not_json_are_refused_when_written() -> None:
    wf = Workflow("w")
    wf.node("h", x=float("nan"))
    with pytest.raises(flowmesh.EncodingError):
        wf.to_proto()
    with pytest.raises(flowmesh.EncodingError):
        wf.to_json()
