"""Replays of small pipelines: order, inputs and outputs, failures and resumption."""

import json
import pathlib
import sys
from typing import Any

import psutil
import pytest
from replay_specs import ADDRESS, Spec, output, parameter, read
from tiny_shop import Command

from clickwright.pipeline.lock import exclusive
from clickwright.pipeline.remote.replay.lines import Lines
from clickwright.pipeline.remote.replay.runner import last_line
from clickwright.pipeline.remote.replay.task_failed import TaskFailedError
from clickwright.schemas.errors import ConfigError, DataError, MachineError

TOLD = "{{$.outputs.output_file}}"


@pytest.fixture
def spec(tmp_path: pathlib.Path) -> Spec:
    return Spec(tmp_path / "small.json")


def constant(value: object) -> dict[str, object]:
    return {"runtimeValue": {"constant": value}}


def test_a_task_reads_what_the_task_before_it_wrote(spec: Spec) -> None:
    spec.shell(
        "A_last", f"tr a-z A-Z < {read('got')} > {output('out')}",
        reads={"got": ("Z_first", "made")}, gives=["out"],
    )  # fmt: skip
    spec.shell("Z_first", f"echo hello > {output('made')}", gives=["made"])

    run = spec.replay()

    assert run.state == "complete"
    assert spec.states() == {"Z_first": "complete", "A_last": "complete"}
    assert spec.text("A_last", "out") == "HELLO\n"


def test_python_is_the_one_that_replays_in_a_folder_and_environment_of_its_own(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(spec.path.parent))
    program = (
        "import json, os, sys; print(json.dumps([sys.executable, os.listdir(), "
        "os.environ.get('PYTHONPATH'), os.environ['GIVEN'], sys.argv[1:]]))"
    )
    executor = {
        "container": {
            "image": "any",
            "command": ["python", "-c"],
            "args": [program, "--one", "two words"],
            "env": [{"name": "GIVEN", "value": "yes"}],
        }
    }
    spec.add("Only", executor)

    spec.replay()

    log = spec.root / "runs" / spec.execution("Only").run / "Only" / "1" / "log.txt"
    python, files, path, given, words = json.loads(log.read_text())
    assert pathlib.Path(python).parent == pathlib.Path(sys.executable).parent
    assert (files, path, given) == ([], None, "yes")
    assert words == ["--one", "two words"]


def test_runtime_parameters_come_from_the_command_line_or_their_defaults(
    spec: Spec,
) -> None:
    spec.parameters = {
        "data": {"parameterType": "STRING", "defaultValue": "gs://bucket/log"},
        "span": {"parameterType": "NUMBER_INTEGER"},
    }
    spec.shell(
        "Only",
        f"echo '{parameter('where')}' {parameter('which')} {parameter('fixed')} > "
        f"{output('out')}",
        takes={
            "where": {"componentInputParameter": "data"},
            "which": {"componentInputParameter": "span"},
            "fixed": constant(0.5),
        },
        gives=["out"],
    )

    spec.replay(param=["span=12"])
    assert spec.text("Only", "out") == f"{spec.root}/gcs/bucket/log 12 0.5\n"

    with pytest.raises(ConfigError, match="no value: span"):
        spec.replay()
    with pytest.raises(ConfigError, match="Did you mean `span`"):
        spec.replay(param=["spam=12"])


def test_the_executor_input_is_that_of_kfp(spec: Spec) -> None:
    spec.shell("First", f"touch {output('made')}", gives=["made"])
    spec.shell(
        "Second", f"cat > {output('out')} <<'E'\n{{{{$}}}}\nE", gives=["out"],
        reads={"got": ("First", "made")}, takes={"number": constant(7)},
        gives_parameters={"score": "NUMBER_DOUBLE"},
    )  # fmt: skip
    # Its output parameter is missing, so that the task fails after its work.
    with pytest.raises(TaskFailedError):
        spec.replay()

    [file] = spec.root.rglob("Second/1/out")
    given = json.loads(file.read_text())
    [artifact] = given["inputs"]["artifacts"]["got"]["artifacts"]
    assert artifact["uri"].startswith(f"{spec.root}/gcs/bucket/root/small/")
    assert "tfx.Model" in artifact["type"]["instanceSchema"]
    assert given["inputs"]["parameterValues"] == {"number": "7"}  # declared a STRING
    [made] = given["outputs"]["artifacts"]["out"]["artifacts"]
    assert made["uri"] == str(file)
    assert pathlib.Path(given["outputs"]["outputFile"]).parent == file.parent
    score = given["outputs"]["parameters"]["score"]["outputFile"]
    assert pathlib.Path(score).parent.is_dir()


def test_what_a_task_tells_of_its_outputs_is_merged_with_what_was_planned(
    spec: Spec,
) -> None:
    told = {
        "artifacts": {
            "made": {"artifacts": [{"metadata": {"blessed": 1, "note": "good"}}]}
        },
        "parameterValues": {"score": 0.75},
    }
    spec.shell(
        "First",
        f"touch {output('made')}; echo '{json.dumps(told)}' > {TOLD}; "
        "printf 3 > {{$.outputs.parameters['count'].output_file}}",
        gives=["made"],
        gives_parameters={"score": "NUMBER_DOUBLE", "count": "NUMBER_INTEGER"},
    )
    task_output = {"producerTask": "First", "outputParameterKey": "score"}
    spec.shell(
        "Second", f"echo {parameter('score')} > {output('out')}", gives=["out"],
        takes={"score": {"taskOutputParameter": task_output}},
        dependentTasks=["First"],
    )  # fmt: skip

    spec.replay()

    first = spec.execution("First")
    [artifact] = first.artifacts["made"]
    assert artifact["metadata"] == {"blessed": 1, "note": "good"}
    assert artifact["uri"] == f"{ADDRESS}/small/{first.run}/First/1/made"
    assert first.parameters == {"score": 0.75, "count": 3}
    assert spec.text("Second", "out") == "0.75\n"


def test_an_output_parameter_of_another_type_is_an_error(spec: Spec) -> None:
    spec.shell(
        "Only", "printf lots > {{$.outputs.parameters['count'].output_file}}",
        gives_parameters={"count": "NUMBER_INTEGER"},
    )  # fmt: skip

    with pytest.raises(TaskFailedError, match=r"NUMBER_INTEGER. Received: 'lots'"):
        spec.replay()


def failing_once(spec: Spec) -> None:
    spec.shell("A_before", f"date +%N > {output('made')}", gives=["made"])
    spec.shell(
        "B_fails",
        f"cp {read('got')} {output('out')}; echo 'the disk is gone' >&2; "
        f"test -e {spec.path.parent}/mended",
        reads={"got": ("A_before", "made")}, gives=["out"],
    )  # fmt: skip
    spec.shell(
        "C_after", f"cp {read('got')} {output('end')}",
        reads={"got": ("B_fails", "out")}, gives=["end"],
    )  # fmt: skip


def test_a_failure_names_task_and_log_and_the_next_replay_resumes(spec: Spec) -> None:
    failing_once(spec)
    with pytest.raises(TaskFailedError) as caught:
        spec.replay()

    error = caught.value
    assert "B_fails failed with exit code 1. the disk is gone" in error.what
    assert last_line(error.log) == "the disk is gone"
    assert str(error.log) in error.where and "resume" in error.fix
    assert spec.states() == {
        "A_before": "complete", "B_fails": "failed", "C_after": "skipped",
    }  # fmt: skip
    before, run = spec.text("A_before", "made"), spec.execution("A_before").run

    (spec.path.parent / "mended").touch()
    spec.replay()

    assert spec.states() == {
        "A_before": "cached", "B_fails": "complete", "C_after": "complete",
    }  # fmt: skip
    assert spec.text("C_after", "end") == before
    assert spec.execution("C_after").run == run
    assert spec.execution("B_fails").attempt == 2


def test_the_command_ends_with_one_and_says_what_to_do(
    spec: Spec, command: Command
) -> None:
    failing_once(spec)
    path = spec.write()

    code, _, shown = command("replay", path, "--root", spec.root)
    assert code == 1
    assert "Error: The task B_fails failed with exit code 1. the disk is gone" in shown
    assert f"Where: log: {spec.root}/runs/" in shown and "Fix: read the end" in shown

    (spec.path.parent / "mended").touch()
    code, _, shown = command("replay", path, "--root", spec.root, "--jobs", "2")
    assert code == 0
    assert f"1 cached, 2 complete: {spec.root}" in shown


def test_a_resumed_replay_runs_again_what_was_changed(spec: Spec) -> None:
    failing_once(spec)
    with pytest.raises(TaskFailedError):
        spec.replay()
    spec.shell("A_before", f"echo new > {output('made')}", gives=["made"])
    (spec.path.parent / "mended").touch()

    spec.replay()

    assert spec.text("C_after", "end") == "new\n"


def test_a_replay_that_was_killed_runs_its_last_task_again(spec: Spec) -> None:
    failing_once(spec)
    with pytest.raises(TaskFailedError):
        spec.replay()
    [file] = spec.root.glob("runs/*/A_before/1/execution.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "state": "running"}))
    (spec.path.parent / "mended").touch()

    spec.replay()

    assert spec.states()["A_before"] == "complete"
    assert spec.execution("A_before").attempt == 2


def test_from_runs_a_task_and_those_after_it_again(spec: Spec) -> None:
    failing_once(spec)
    (spec.path.parent / "mended").touch()
    run = spec.replay().id

    assert spec.replay(start="B_fails").id == run
    assert spec.states() == {
        "A_before": "cached", "B_fails": "complete", "C_after": "complete",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="Did you mean `B_fails`"):
        spec.replay(start="B_fail")


def test_another_replay_takes_from_the_cache_what_the_spec_allows(spec: Spec) -> None:
    options = {"enableCache": True}
    for name in ("A_cached", "C_cached"):
        spec.shell(
            name, f"date +%N > {output('x')}", gives=["x"], cachingOptions=options
        )
    spec.shell("B_fresh", f"date +%N > {output('x')}", gives=["x"])
    first = spec.replay().id
    was = spec.text("A_cached", "x")

    second = spec.replay().id

    assert second > first
    assert spec.states() == {
        "A_cached": "cached", "B_fresh": "complete", "C_cached": "cached",
    }  # fmt: skip
    assert spec.text("A_cached", "x") == was


def test_after_a_failure_nothing_is_begun_but_what_must_always_run(spec: Spec) -> None:
    always = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    spec.shell("A_fails", "exit 3")
    spec.shell("B_other", "true")
    spec.shell("C_after", "true", dependentTasks=["A_fails"])
    status = {"taskFinalStatus": {"producerTask": "A_fails"}}
    spec.shell(
        "D_always", f"echo '{parameter('status')}' > {output('told')}", gives=["told"],
        takes={"status": status}, dependentTasks=["A_fails"], triggerPolicy=always,
    )  # fmt: skip

    with pytest.raises(TaskFailedError, match="exit code 3"):
        spec.replay()

    assert spec.states() == {
        "A_fails": "failed", "C_after": "skipped", "D_always": "complete",
    }  # fmt: skip
    assert json.loads(spec.text("D_always", "told"))["state"] == "FAILED"


def test_tasks_that_do_not_need_each_other_run_at_the_same_time(spec: Spec) -> None:
    meeting = spec.path.parent
    for name, other in (("A", "B"), ("B", "A")):
        spec.shell(
            name,
            f"touch {meeting}/{name}; for i in $(seq 100); do "
            f"test -e {meeting}/{other} && exit 0; sleep 0.1; done; exit 1",
        )

    spec.replay(jobs=2)

    assert spec.states() == {"A": "complete", "B": "complete"}


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("inputs.artifacts['got'].artifacts[0].metadata['blessed'] == 1.0", "complete"),
        (
            "!(inputs.artifacts['got'].artifacts[0].metadata['blessed'] == 1.0)",
            "skipped",
        ),
    ],
)
def test_a_condition_decides_on_a_task_and_those_after_it(
    spec: Spec, condition: str, state: str
) -> None:
    told = {"artifacts": {"made": {"artifacts": [{"metadata": {"blessed": 1}}]}}}
    spec.shell(
        "First", f"touch {output('made')}; echo '{json.dumps(told)}' > {TOLD}",
        gives=["made"],
    )  # fmt: skip
    spec.shell(
        "Second", "true", reads={"got": ("First", "made")},
        triggerPolicy={"condition": condition},
    )  # fmt: skip
    spec.shell("Third", "true", dependentTasks=["Second"])

    spec.replay()

    assert spec.states() == {"First": "complete", "Second": state, "Third": state}


def test_an_importer_gives_what_lies_at_an_address(spec: Spec) -> None:
    spec.parameters = {"from": {"parameterType": "STRING"}}
    importer = {
        "artifactUri": {"runtimeParameter": "uri"},
        "typeSchema": {"schemaTitle": "tfx.Model"},
        "metadata": {"kind": "given"},
    }
    spec.add(
        "Import", {"importer": importer},
        takes={"uri": {"componentInputParameter": "from"}}, gives=["result"],
    )  # fmt: skip
    spec.shell(
        "Reads", f"cp {read('got')} {output('out')}; echo "
        "\"{{$.inputs.artifacts['got'].metadata['kind']}}\" >> " + output("out"),
        reads={"got": ("Import", "result")}, gives=["out"],
    )  # fmt: skip
    with pytest.raises(DataError, match=r"gcs/bucket/thing"):
        spec.replay(param=["from=gs://bucket/thing"])
    thing = spec.root / "gcs" / "bucket" / "thing"
    thing.parent.mkdir(parents=True)
    thing.write_text("content\n")

    spec.replay(param=["from=gs://bucket/thing"])

    assert spec.text("Reads", "out") == "content\ngiven\n"


def query(text: str) -> dict[str, object]:
    return {"resolver": {"outputArtifactQueries": {"model": {"filter": text}}}}


def test_a_resolver_finds_the_latest_artifact_of_earlier_replays(spec: Spec) -> None:
    spec.add(
        "A_latest", query('schema_title="tfx.Model" AND state=LIVE'), gives=["model"]
    )
    spec.shell(
        "B_reads", f"echo 'was {read('got')}' > {spec.path.parent}/read",
        reads={"got": ("A_latest", "model")},
    )  # fmt: skip
    spec.shell(
        "C_makes", f"touch {output('made')}", gives=["made"],
        dependentTasks=["B_reads"],
    )  # fmt: skip
    first = spec.replay().id
    assert "$.inputs" in (spec.path.parent / "read").read_text()  # none yet

    spec.replay()

    assert (spec.path.parent / "read").read_text() == (
        f"was {spec.root}/gcs/bucket/root/small/{first}/C_makes/1/made\n"
    )


def test_a_resumed_replay_does_not_resolve_what_it_made_itself(spec: Spec) -> None:
    spec.add("A_latest", query('schema_title="tfx.Model"'), gives=["model"])
    spec.shell(
        "B_makes", f"touch {output('made')}", gives=["made"],
        dependentTasks=["A_latest"],
    )  # fmt: skip
    spec.shell("C_fails", f"test -e {spec.path.parent}/x", dependentTasks=["B_makes"])
    with pytest.raises(TaskFailedError):
        spec.replay()
    (spec.path.parent / "x").touch()

    spec.replay()

    assert spec.states()["A_latest"] == "cached"
    assert spec.execution("A_latest").artifacts["model"] == []


def test_a_resolver_finds_the_model_that_the_latest_good_blessing_names(
    spec: Spec,
) -> None:
    verdict = spec.path.parent / "verdict"
    program = (
        "import json, sys; given = json.loads(sys.argv[1]); "
        "name = given['inputs']['artifacts']['model']['artifacts'][0]['name']; "
        f"blessed = int(open('{verdict}').read()); "
        "metadata = {'blessed': blessed, 'current_model_id': name}; "
        "told = {'artifacts': {'blessing': {'artifacts': [{'metadata': metadata}]}}}; "
        "json.dump(told, open(given['outputs']['outputFile'], 'w'))"
    )
    spec.shell("Train", f"touch {output('model')}", gives=["model"])
    container = {"image": "any", "command": ["python", "-c", program, "{{$}}"]}
    spec.add(
        "Bless", {"container": container},
        reads={"model": ("Train", "model")}, gives=["blessing"],
    )  # fmt: skip
    spec.components["Bless"]["outputDefinitions"]["artifacts"]["blessing"] = {
        "artifactType": {"instanceSchema": "title: tfx.ModelBlessing\n"}
    }
    blessed = (
        'schema_title="tfx.ModelBlessing" AND state=LIVE AND '
        "metadata.blessed.number_value=1"
    )
    named = (
        'schema_title="tfx.Model" AND state=LIVE AND '
        "name=\"{{$.inputs.artifacts['input'].metadata['current_model_id']}}\""
    )
    spec.add("Blessing", query(blessed), gives=["model"])
    spec.add(
        "Model", query(named), reads={"input": ("Blessing", "model")}, gives=["model"]
    )
    models = []
    for answer in ("0", "1", "0", "0"):
        verdict.write_text(answer)
        spec.replay()
        models += spec.execution("Train").artifacts["model"]

    [found] = spec.execution("Model").artifacts["model"]
    assert found["name"] == models[1]["name"]


def test_tasks_of_an_inner_dag_are_run_and_an_exit_handler_after_them(
    spec: Spec,
) -> None:
    inner: dict[str, object] = {}
    spec.shell("Inner", f"echo {parameter('word')} > {output('x')}", gives=["x"],
               takes={"word": {"componentInputParameter": "given"}}, tasks=inner)  # fmt: skip
    selector = {"producerSubtask": "Inner", "outputArtifactKey": "x"}
    spec.components["tfx-dag"] = {
        "dag": {
            "tasks": inner,
            "outputs": {"artifacts": {"y": {"artifactSelectors": [selector]}}},
        },
        "inputDefinitions": {"parameters": {"given": {"parameterType": "STRING"}}},
    }
    spec.tasks["tfx-dag"] = {
        "taskInfo": {"name": "tfx-dag"},
        "componentRef": {"name": "tfx-dag"},
        "inputs": {"parameters": {"given": constant("hello")}},
    }
    spec.shell(
        "After", f"cat {read('got')} > {output('out')}", gives=["out"],
        reads={"got": ("tfx-dag", "y")},
    )  # fmt: skip

    spec.replay()
    assert spec.text("After", "out") == "hello\n"
    assert spec.text("tfx-dag/Inner", "x") == "hello\n"

    spec.replay(start="tfx-dag/Inner")
    assert spec.states() == {"tfx-dag/Inner": "complete", "After": "complete"}


def test_a_vertex_custom_job_runs_the_container_of_its_first_pool(spec: Spec) -> None:
    container = {
        "imageUri": "any",
        "command": ["sh"],
        "args": ["-c", f"echo trained > {output('model')}"],
    }
    job = {
        "displayName": "x",
        "jobSpec": {"workerPoolSpecs": [{"containerSpec": container}]},
    }
    spec.add("Trainer", {"customJob": {"customJob": job}}, gives=["model"])

    spec.replay()

    assert spec.text("Trainer", "model") == "trained\n"


def test_what_vertex_runs_before_its_cache_runs_before_the_task(spec: Spec) -> None:
    told = '{"parameterValues": {"span": 3}}'
    hook = {"command": ["sh", "-c"], "args": [f"echo '{told}' > {TOLD}"]}
    container = {
        "image": "any",
        "command": ["sh", "-c", f"grep -q span {TOLD}"],
        "lifecycle": {"preCacheCheck": hook},
    }
    spec.add("Gen", {"container": container})

    spec.replay()

    assert spec.execution("Gen").parameters == {"span": 3}


def test_a_command_that_is_not_there_is_named(spec: Spec) -> None:
    spec.add("Only", {"container": {"image": "any", "command": ["no-such-program"]}})

    with pytest.raises(TaskFailedError, match="`no-such-program` cannot be started"):
        spec.replay()


def test_an_argument_longer_than_linux_takes_is_told(spec: Spec) -> None:
    spec.shell("Only", "true", "x" * 200_000)

    with pytest.raises(
        TaskFailedError, match=r"200,000 bytes; Linux takes at most 131"
    ):
        spec.replay()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dependentTasks": ["Nobody"]}, "waits for `Nobody`"),
        ({"dependentTasks": ["Only"]}, "wait for each other"),
        ({"triggerPolicy": {"condition": "1 +"}}, "it ends early"),
        (
            {"parameterIterator": {"items": {"raw": "[1]"}, "itemInput": "i"}},
            "once for each item",
        ),
    ],
)
def test_a_pipeline_that_cannot_be_run_is_refused(
    spec: Spec, change: dict[str, Any], message: str
) -> None:
    spec.shell("Only", "true", **change)

    with pytest.raises(ConfigError, match=message):
        spec.replay()


def test_kubeflow_loses_types_truth_values_and_empty_folders(spec: Spec) -> None:
    spec.target = "kubeflow"
    told = {"artifacts": {"made": {"artifacts": [{"metadata": {"good": True}}]}}}
    spec.shell(
        "First",
        f"mkdir -p {output('made')}/empty/too {output('made')}/full; "
        f"touch {output('made')}/full/x; echo '{json.dumps(told)}' > {TOLD}",
        gives=["made"],
    )
    spec.shell(
        "Second", f"(ls {read('got')}; printf %s '{{{{$}}}}') > {output('out')}",
        gives=["out"], reads={"got": ("First", "made")},
    )  # fmt: skip

    spec.replay()

    listed, given = spec.text("Second", "out").splitlines()
    [artifact] = json.loads(given)["inputs"]["artifacts"]["got"]["artifacts"]
    assert listed == "full"
    assert artifact["type"] == {"instanceSchema": ""}
    assert artifact["metadata"]["good"] == 1
    assert artifact["metadata"]["good"] is not True


def test_kubeflow_has_no_resolvers(spec: Spec) -> None:
    spec.target = "kubeflow"
    spec.shell("First", f"touch {spec.path.parent}/ran")
    spec.add("Latest", query('schema_title="tfx.Model"'), gives=["model"])

    with pytest.raises(ConfigError, match="no executor of the kind `resolver`"):
        spec.replay()
    assert not (spec.path.parent / "ran").exists()


def test_two_replays_do_not_share_a_folder(spec: Spec) -> None:
    spec.shell("Only", "true")

    with exclusive(spec.root), pytest.raises(MachineError) as caught:
        spec.replay()
    assert "another folder with --root" in caught.value.fix


def test_a_replay_that_is_stopped_leaves_no_task_running(
    spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = spec.path.parent / "number"
    spec.shell("Only", f"sh -c 'echo $$ > {number}; sleep 600' & wait")

    def stop(lines: Lines) -> None:
        if number.exists() and number.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(Lines, "tasks_run", stop)
    with pytest.raises(KeyboardInterrupt):
        spec.replay()

    process = psutil.Process(int(number.read_text()))
    psutil.wait_procs([process], timeout=30)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert spec.execution("Only").state == "running"
