"""Compares trajectories of scaffold-mini with those of the real mini-swe-agent.

    mini_swe_agent.py templates MODE
        prints the templates that the installed mini-swe-agent ships, as JSON

    mini_swe_agent.py compare EPISODES TRAJECTORIES CHECKOUTS TASK_FILE
        plays the replies of each trajectory to the installed mini-swe-agent in
        its local environment, and wants the same messages

Episodes of version 1 are compared under version 1, the others under version 2.
Templates are those of the package, in both. What is set aside: our words for an
error or an exception, what the machine is called, and paths of the checkout.
"""

import asyncio
import json
import os
import pathlib
import re
import sys

os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")
os.environ.setdefault("MSWEA_COST_TRACKING", "ignore_errors")

import yaml  # noqa: E402
import minisweagent  # noqa: E402

VERSION = int(minisweagent.__version__.split(".")[0])
CONFIG = pathlib.Path(minisweagent.__file__).parent / "config"


def package_config(mode):
    name = "mini_textbased.yaml" if mode == "text" else "mini.yaml"
    return yaml.safe_load((CONFIG / name).read_text())


def templates(mode):
    config = package_config(mode)
    agent, model = config["agent"], config.get("model", {})
    found = {"system": agent["system_template"], "instance": agent["instance_template"]}
    if VERSION == 1:
        from minisweagent.agents.default import AgentConfig

        found["observation"] = agent["action_observation_template"]
        found["format_error"] = agent["format_error_template"]
        found["timeout"] = agent.get("timeout_template", AgentConfig.timeout_template)
    else:
        found["observation"] = model["observation_template"]
        found["format_error"] = model["format_error_template"]
    return found


def run_version_2(episode, responses, checkout, task, output):
    import litellm
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.litellm_model import LitellmModel
    from minisweagent.models.litellm_textbased_model import LitellmTextbasedModel

    base = LitellmTextbasedModel if episode["mode"] == "text" else LitellmModel

    class Scripted(base):
        """The real model class; only the request to a server is replaced."""

        def _query(self, messages, **kwargs):
            response, self.cost = next(remaining)
            return litellm.ModelResponse(**response)

        def _calculate_cost(self, response):
            return {"cost": self.cost}

    remaining = iter(responses)
    shipped = templates(episode["mode"])
    model = Scripted(
        model_name="scripted",
        observation_template=shipped["observation"],
        format_error_template=shipped["format_error"],
    )
    agent = DefaultAgent(
        model,
        LocalEnvironment(cwd=str(checkout), timeout=episode.get("timeout", 30)),
        system_template=shipped["system"],
        instance_template=shipped["instance"],
        output_path=output,
        **limits(episode, ["step_limit", "cost_limit", "wall_time_limit_seconds"]),
    )
    agent.run(task)
    left = len(list(remaining))
    return json.loads(output.read_text()), left


def run_version_1(episode, responses, checkout, task, output):
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.test_models import DeterministicModel
    from minisweagent.run.utils.save import save_traj

    class Scripted(DeterministicModel):
        """The package's own scripted model, with a price for each reply."""

        def query(self, messages, **kwargs):
            self.config.cost_per_call = costs[self.current_index + 1]
            return super().query(messages, **kwargs)

    costs = [cost for _, cost in responses]
    texts = [response["choices"][0]["message"]["content"] for response, _ in responses]
    model = Scripted(outputs=texts)
    shipped = templates(episode["mode"])
    agent = DefaultAgent(
        model,
        LocalEnvironment(cwd=str(checkout), timeout=episode.get("timeout", 30)),
        system_template=shipped["system"],
        instance_template=shipped["instance"],
        action_observation_template=shipped["observation"],
        format_error_template=shipped["format_error"],
        timeout_template=shipped["timeout"],
        **limits(episode, ["step_limit", "cost_limit"]),
    )
    status, result = agent.run(task)
    save_traj(agent, output, exit_status=status, result=result, print_path=False)
    return json.loads(output.read_text()), len(texts) - model.n_calls


def limits(episode, keys):
    return {key: episode.get(key, 0) for key in keys}


def responses_of(trajectory):
    """All replies of the model with their costs, those taken back included."""
    extras = (message.get("extra", {}) for message in trajectory["messages"])
    return [(extra["response"], extra["cost"]) for extra in extras if "response" in extra]


def comparable(trajectory, checkout):
    """What must be the same in both."""
    info = trajectory["info"]
    return {
        "format": trajectory["trajectory_format"],
        "exit_status": info["exit_status"],
        "submission": info["submission"],
        "api_calls": info["model_stats"]["api_calls"],
        "cost": round(info["model_stats"]["instance_cost"], 6),
        "messages": [message_of(message, checkout) for message in trajectory["messages"]],
    }


def message_of(message, checkout):
    extra = message.get("extra", {})
    kept = {key: message[key] for key in ("role", "tool_call_id") if key in message}
    kept["content"] = text_of(message.get("content") or "", checkout)
    if message.get("tool_calls"):
        calls = ((call["id"], call["function"]) for call in message["tool_calls"])
        kept["calls"] = [[id, call["name"], call["arguments"]] for id, call in calls]
    if VERSION > 1:
        keys = ("returncode", "interrupt_type", "exit_status", "submission", "cost")
        kept.update((key, extra[key]) for key in keys if key in extra)
        if extra.get("raw_output") is not None:
            kept["raw_output"] = text_of(extra["raw_output"], checkout)
            kept["has_exception"] = bool(extra["exception_info"])
        if message["role"] == "assistant" and "tool_calls" in kept:
            kept["actions"] = extra["actions"]
    return kept


SET_ASIDE = {
    r"<error>.*?</error>": "<error/>",
    r"<exception>.*?</exception>": "<exception/>",
    r'"exception_info": ".*?"(?=\n)': '"exception_info": "..."',
    r"<system_information>.*?</system_information>": "<system_information/>",
}


def text_of(text, checkout):
    text = text.replace(str(checkout), "/workspace")
    for pattern, mark in SET_ASIDE.items():
        text = re.sub(pattern, mark, text, flags=re.DOTALL)
    return text


def differences(ours, theirs):
    for key in ours:
        if key != "messages" and ours[key] != theirs[key]:
            yield f"{key}: ours {ours[key]!r}, theirs {theirs[key]!r}"
    if len(ours["messages"]) != len(theirs["messages"]):
        roles = [[message["role"] for message in side["messages"]] for side in (ours, theirs)]
        yield f"roles: ours {roles[0]}, theirs {roles[1]}"
    for at, (our, their) in enumerate(zip(ours["messages"], theirs["messages"])):
        for key in sorted(our.keys() | their.keys()):
            if our.get(key) != their.get(key):
                yield f"message {at}, {key}:\n  ours   {our.get(key)!r}\n  theirs {their.get(key)!r}"


async def inspect(paths):
    """Opens the files in the package's inspector and looks at every step."""
    if VERSION == 1:
        from minisweagent.run.inspector import TrajectoryInspector
    else:
        from minisweagent.run.utilities.inspector import TrajectoryInspector

    inspector = TrajectoryInspector(paths)
    steps = 0
    async with inspector.run_test() as pilot:
        for index, path in enumerate(paths):
            inspector.i_trajectory = index
            await pilot.pause()
            messages = len(json.loads(path.read_text())["messages"])
            if sum(len(step) for step in inspector.steps) != messages:
                sys.exit(f"{path.name}: the inspector does not show all {messages} messages")
            for step in range(inspector.n_steps):
                inspector.i_step = step
                await pilot.pause()
                if f"Step {step + 1}/{inspector.n_steps}" not in inspector.title:
                    sys.exit(f"{path.name}: the inspector stops at step {step + 1}")
            steps += inspector.n_steps
    return steps


def compare(episodes, trajectories, checkouts, task):
    episodes = json.loads(pathlib.Path(episodes).read_text())
    run = run_version_1 if VERSION == 1 else run_version_2
    task = pathlib.Path(task).read_text()
    paths, failed, messages = [], [], 0
    for episode in episodes:
        if (episode["mode"] == "text-v1") != (VERSION == 1):
            continue
        name = episode["name"]
        path = next(pathlib.Path(trajectories, name).rglob("*.traj.json"))
        checkout = pathlib.Path(checkouts, name)
        ours = json.loads(path.read_text())
        theirs, left = run(episode, responses_of(ours), checkout, task, path.with_name("theirs.json"))
        ours, theirs = comparable(ours, checkout), comparable(theirs, checkout)
        found = list(differences(ours, theirs))
        if left:
            found.append(f"the real one did not ask for the last {left} replies")
        status = "differs" if found else "same"
        print(f"{status:8}{name:34}{len(theirs['messages']):4} messages  {theirs['exit_status']}")
        for difference in found:
            print("  " + difference)
        paths.append(path)
        messages += len(theirs["messages"])
        failed += [name] if found else []
    steps = asyncio.run(inspect(paths))
    print(
        f"mini-swe-agent {minisweagent.__version__}: {len(paths) - len(failed)} of {len(paths)} "
        f"episodes with {messages} messages are the same; its inspector shows all {steps} steps"
    )
    if failed:
        sys.exit("these differ: " + ", ".join(failed))


if __name__ == "__main__":
    if sys.argv[1] == "templates":
        print(json.dumps(templates(sys.argv[2])))
    else:
        compare(*sys.argv[2:])
