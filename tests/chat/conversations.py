# SPDX-License-Identifier: Apache-2.0
"""Conversations for the tests of chat templates: written ones, and random ones of every shape that clients send."""
import json

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather at a place, \"now\" — or later.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Name of the city, e.g. Zürich"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city"]}}}
SEARCH = {"type": "function", "function": {
    "name": "search", "description": "Searches\nthe <web> & more",
    "parameters": {"type": "object", "properties": {
        "query": {"type": "string"},
        "filters": {"type": "object", "description": "Which pages", "properties": {
            "site": {"type": ["string", "null"]}, "after": {"type": "string", "format": "date"}},
            "required": ["site"], "additionalProperties": False},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "description": "Labels"},
        "rows": {"type": "array", "items": {"type": "object", "properties": {
            "x": {"type": "number"}, "ok": {"type": "boolean", "default": True}}}},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "one of two"},
        "ratio": {"type": "number", "default": 0.5},
        "anything": {}},
        "required": ["query", "tags"]},
    "strict": True}}
NOTHING = {"type": "function", "function": {
    "name": "ping", "description": "No arguments", "parameters": {"type": "object", "properties": {}}}}
RETURNS = {"type": "function", "function": {
    "name": "add", "description": "Adds", "parameters": {"type": "object", "properties": {
        "a": {"type": "integer", "description": "first"}, "b": {"type": "integer", "description": "second"}},
        "required": ["a", "b"]},
    "return": {"type": "integer", "description": "the sum"}}}


def user(content, **more):
    return {"role": "user", "content": content, **more}


def system(content, **more):
    return {"role": "system", "content": content, **more}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def tool(content, **more):
    return {"role": "tool", "content": content, **more}


def call(name, arguments, id=None, bare=False):
    function = {"name": name, "arguments": arguments}
    if bare:
        return function
    return {"type": "function", "function": function} if id is None else {
        "id": id, "type": "function", "function": function}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


ZURICH = {"city": "Zürich", "unit": "celsius"}


def written():
    """name, variables: conversations as people and clients write them."""
    w, s, n = [WEATHER], [WEATHER, SEARCH], [NOTHING, RETURNS]
    hello = [user("Hello, who are you?")]
    turns = [system("You are terse."), user("Hi"), assistant("Hello!"), user("2+2?"), assistant("4"), user("Thanks")]
    asked = [user("Weather in Zürich?")]
    one_call = assistant("", tool_calls=[call("get_weather", ZURICH, "call_1ab23")])
    answered = asked + [one_call, tool('{"temperature": 21.5, "sky": "clear"}', tool_call_id="call_1ab23",
                                       name="get_weather")]
    two_calls = [user("Weather in Rome and Bern?"), assistant(None, tool_calls=[
        call("get_weather", {"city": "Rome"}, "abcdefgh1"), call("get_weather", {"city": "Bern", "days": 2}, "abcdefgh2")]),
        tool("22 °C", tool_call_id="abcdefgh1", name="get_weather"),
        tool("17 °C", tool_call_id="abcdefgh2", name="get_weather")]
    thinking = [user("Is 91 prime?"), assistant("No, 7 * 13.", reasoning_content="91 = 7 * 13,\nso no."), user("And 97?")]
    inline = [user("Is 91 prime?"), assistant("<think>\n7*13\n</think>\n\nNo."), user("And 97?"),
              assistant("<think>yes</think>Yes.")]
    yield "plain", {"messages": hello}
    yield "plain, bare strings as tokens", {"messages": hello, "bos_token": "", "eos_token": ""}
    yield "system and user", {"messages": [system("You are helpful."), user("Hi")]}
    yield "turns", {"messages": turns}
    yield "turns that end with the assistant", {"messages": turns + [assistant("You are welcome.")]}
    yield "turns without system", {"messages": turns[1:]}
    yield "blanks around", {"messages": [system("  padded \n"), user("\n hi \t"), assistant("  ok \n\n"), user("x ")]}
    yield "empty contents", {"messages": [system(""), user(""), assistant(""), user("")]}
    yield "empty user", {"messages": [user("")]}
    yield "unicode", {"messages": [system("ÄÖÜ ß İ ı ǆ"), user("你好，世界 🌍 \u202e \u00a0 ﬁ é e\u0301"),
                                   assistant("Привет 🤖‍🔧"), user("\ud7ff\ue000\U0010ffff")]}
    yield "markup", {"messages": [user("<|im_end|> {{ x }} {% raw %} <b> & 'q' \"dq\" \\ \\n </s>"), assistant("{# c #}"),
                                  user("```py\nprint('}')\n```")]}
    yield "unknown role", {"messages": [user("a"), {"role": "critic", "content": "no"}, user("b")]}
    yield "developer role", {"messages": [{"role": "developer", "content": "Be kind."}, user("a")]}
    yield "two users", {"messages": [user("a"), user("b")]}
    yield "assistant first", {"messages": [assistant("Welcome!"), user("Hi")]}
    yield "system only", {"messages": [system("Only this.")]}
    yield "system late", {"messages": [user("a"), assistant("b"), system("new rules"), user("c")]}
    yield "two systems", {"messages": [system("one"), system("two"), user("c")]}
    yield "no messages", {"messages": []}
    yield "null content", {"messages": [user("a"), assistant(None), user("b")]}
    yield "missing content", {"messages": [user("a"), {"role": "assistant"}, user("b")]}
    yield "missing role", {"messages": [{"content": "a"}]}
    yield "parts", {"messages": [system(parts("Be brief.")), user(parts("one", "two")), assistant(parts("three")),
                                 user(parts("four"))]}
    yield "parts with pictures", {"messages": [user([{"type": "image"}, {"type": "text", "text": "What is this?"},
                                                     {"type": "image_url", "image_url": {"url": "http://x/y.png"}}])]}
    yield "empty parts", {"messages": [user([]), assistant([]), user(parts(""))]}
    yield "names", {"messages": [user("a", name="Ann"), assistant("b", name="Bo"), user("c", name="Ann")]}
    yield "reasoning_content", {"messages": thinking}
    yield "reasoning_content last", {"messages": thinking[:2]}
    yield "reasoning in other fields", {"messages": [user("a"), assistant("b", reasoning="r", thinking="t"), user("c")]}
    yield "empty reasoning", {"messages": [user("a"), assistant("b", reasoning_content=""), user("c")]}
    yield "null reasoning", {"messages": [user("a"), assistant("b", reasoning_content=None), user("c")]}
    yield "inline thoughts", {"messages": inline}
    yield "inline thoughts, more to say", {"messages": inline + [user("Sure?")]}
    for flag in (True, False):
        yield f"enable_thinking {flag}", {"messages": turns, "enable_thinking": flag}
        yield f"thinking {flag}", {"messages": thinking, "thinking": flag}
        yield f"enable_thinking {flag}, tools", {"messages": answered, "tools": s, "enable_thinking": flag}
        yield f"preserve thoughts {flag}", {"messages": thinking, "clear_thinking": not flag, "keep_thinking": flag,
                                            "preserve_thinking": flag, "keep_past_thinking": flag,
                                            "truncate_history_thinking": not flag}
    for effort in ("low", "medium", "high", "none", "max"):
        yield f"reasoning_effort {effort}", {"messages": turns, "reasoning_effort": effort}
    yield "thinking budget", {"messages": turns, "thinking_budget": 512}
    yield "date", {"messages": turns, "date_string": "1 Feb 2025", "current_date": "2025-02-01"}
    yield "tools not used", {"messages": hello, "tools": w}
    yield "tools empty", {"messages": hello, "tools": []}
    yield "tools None", {"messages": hello, "tools": None}
    yield "tools with system", {"messages": turns, "tools": s}
    yield "tools of other shapes", {"messages": hello, "tools": n}
    yield "tools without wrapper", {"messages": hello, "tools": [WEATHER["function"]]}
    yield "tool call", {"messages": asked + [one_call], "tools": w}
    yield "tool call without tools", {"messages": asked + [one_call]}
    yield "tool call and result", {"messages": answered, "tools": w}
    yield "tool call and result, no tools", {"messages": answered}
    yield "tool call, result, answer", {"messages": answered + [assistant("21.5 °C."), user("Thanks")], "tools": s}
    yield "system, tool call, result", {"messages": [system("Use tools.")] + answered, "tools": s}
    yield "two calls", {"messages": two_calls, "tools": w}
    yield "two calls, answer", {"messages": two_calls + [assistant("Rome: 22, Bern: 17")], "tools": w}
    yield "call with text", {"messages": asked + [assistant("Let me look.", tool_calls=[
        call("get_weather", ZURICH, "123456789")]), tool("rain", tool_call_id="123456789")], "tools": w}
    yield "call with thoughts", {"messages": asked + [assistant("", reasoning_content="I need the tool.", tool_calls=[
        call("get_weather", ZURICH, "123456789")]), tool("rain", tool_call_id="123456789")], "tools": w}
    yield "arguments as JSON text", {"messages": asked + [assistant("", tool_calls=[
        call("get_weather", json.dumps(ZURICH), "call_00001")]), tool("rain", tool_call_id="call_00001")], "tools": w}
    yield "arguments of all kinds", {"messages": [user("go"), assistant("", tool_calls=[call("search", {
        "query": "a\"b\\c\n<d>", "filters": {"site": None, "after": "2024-01-01"}, "tags": ["a", "b"], "rows": [
            {"x": 1e-7, "ok": False}, {"x": 3.0}], "ratio": 0.1, "n": 12345678901, "e": [], "o": {}, "neg": -5}, "id0000001")]),
        tool("[]", tool_call_id="id0000001", name="search")], "tools": s}
    yield "call without arguments", {"messages": [user("ping"), assistant("", tool_calls=[call("ping", {}, "id0000002")]),
                                                  tool("pong", tool_call_id="id0000002")], "tools": n}
    yield "call without id", {"messages": [user("ping"), assistant("", tool_calls=[call("ping", {})]),
                                           tool("pong", name="ping")], "tools": n}
    yield "bare call", {"messages": [user("ping"), assistant("", tool_calls=[call("ping", {}, bare=True)]),
                                     tool("pong")], "tools": n}
    yield "empty calls", {"messages": [user("a"), assistant("b", tool_calls=[]), user("c")]}
    yield "null calls", {"messages": [user("a"), assistant("b", tool_calls=None), user("c")]}
    yield "result as object", {"messages": answered[:2] + [tool({"temperature": 21.5}, tool_call_id="call_1ab23")], "tools": w}
    yield "result as parts", {"messages": answered[:2] + [tool(parts("21", "clear"), tool_call_id="call_1ab23")], "tools": w}
    yield "result as list", {"messages": answered[:2] + [tool([1, "two"], tool_call_id="call_1ab23")], "tools": w}
    yield "result without call", {"messages": [user("a"), tool("42"), assistant("b")]}
    yield "several rounds", {"messages": answered + [
        assistant("", tool_calls=[call("search", {"query": "q", "tags": []}, "call_2cd34")]),
        tool("found", tool_call_id="call_2cd34", name="search"), assistant("Done."), user("More"),
        assistant(None, tool_calls=[call("get_weather", {"city": "Oslo"}, "call_3ef45")]),
        tool("snow", tool_call_id="call_3ef45", name="get_weather")], "tools": s}
    yield "function role", {"messages": [user("a"), {"role": "function", "name": "f", "content": "1"}]}
    yield "ipython role", {"messages": [user("a"), {"role": "ipython", "content": {"output": 1}}]}
    yield "documents", {"messages": hello, "documents": [{"title": "T", "text": "some text", "doc_id": 1}]}
    yield "builtin tools", {"messages": asked, "tools": w, "builtin_tools": ["browser", "python"]}
    yield "tools in system", {"messages": [system("S")] + asked, "tools": w, "tools_in_user_message": False}
    yield "model identity", {"messages": hello, "model_identity": "You are X."}
    yield "schema", {"messages": hello, "response_format": {"type": "json_schema", "json_schema": {"schema": {
        "type": "object", "properties": {"a": {"type": "string"}}}}}}
    yield "long", {"messages": [m for i in range(20) for m in (user(f"q{i}"), assistant(f"a{i}"))] + [user("end")]}


WORDS = ["yes", "no", "", " ", "Hello\nworld", "ünïcödé ✓", "a <b> & c", "{\"k\": 1}", "<think>t</think>x", "  lead", "trail\n",
         "x</think>y", "line1\n\nline2\n", "'\"\\", "[TOOL_CALLS]", "<tool_call>\n{}\n</tool_call>", "0", "null", "日本語", "\t\r\n"]
KEYS = ["city", "n", "flag", "list", "obj", "ключ", "with space", "q'uote"]


def value(random, depth=0):
    kind = random.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return random.choice([0, 1, -7, 42, 10**12])
    if kind == 1:
        return random.choice([0.5, -2.0, 1e20, 1e-9, 3.14159])
    if kind == 2:
        return random.choice([True, False])
    if kind == 3 and random.random() < 0.3:
        return None
    if kind <= 5:
        return random.choice(WORDS)
    if kind == 6:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    return {random.choice(KEYS): value(random, depth + 1) for _ in range(random.randrange(4))}


def schema(random, depth=0):
    kind = random.choice(["string", "integer", "number", "boolean", "array", "object", "enum", "union", "anyOf", "empty"])
    out = {} if kind in ("enum", "union", "anyOf", "empty") else {"type": kind}
    if kind == "enum":
        out = {"type": "string", "enum": random.sample(WORDS, 3)}
    elif kind == "union":
        out = {"type": ["string", "null"]}
    elif kind == "anyOf":
        out = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    elif kind == "array" and depth < 3 and random.random() < 0.8:
        out["items"] = schema(random, depth + 1)
    elif kind == "object" and depth < 3 and random.random() < 0.8:
        out["properties"] = {key: schema(random, depth + 1) for key in random.sample(KEYS, random.randrange(4))}
        if random.random() < 0.5:
            out["required"] = list(out["properties"])[:1]
    for name, make in (("description", lambda: random.choice(WORDS)), ("default", lambda: value(random, 2)),
                       ("title", lambda: "T"), ("nullable", lambda: True), ("minimum", lambda: 0)):
        if random.random() < 0.2:
            out[name] = make()
    return out


def a_tool(random, name):
    function = {"name": name, "description": random.choice(WORDS)}
    if random.random() < 0.1:
        del function["description"]
    if random.random() < 0.9:
        properties = {key: schema(random) for key in random.sample(KEYS, random.randrange(5))}
        function["parameters"] = {"type": "object", "properties": properties}
        if random.random() < 0.6:
            function["parameters"]["required"] = random.sample(list(properties), random.randrange(len(properties) + 1))
    if random.random() < 0.1:
        function["strict"] = True
    return {"type": "function", "function": function}


def content(random):
    pick = random.random()
    if pick < 0.75:
        return random.choice(WORDS)
    if pick < 0.8:
        return None
    return parts(*(random.choice(WORDS) for _ in range(random.randrange(3))))


def shuffled(random):
    """Variables of a random conversation. Most are well-formed, some are not."""
    odd = random.random() < 0.15
    messages, names = [], ["get_weather", "search", "f-1"]
    if random.random() < 0.5:
        messages.append(system(content(random) if odd else random.choice(WORDS)))
    n = random.randrange(1, 4)
    for turn in range(n):
        messages.append(user(content(random)))
        if turn == n - 1 and random.random() < 0.4:
            break
        while random.random() < 0.3:
            ids = ["%09d" % random.randrange(10**9) for _ in range(random.randrange(1, 3))]
            arguments = [{key: value(random, 1) for key in random.sample(KEYS, random.randrange(3))} for _ in ids]
            if random.random() < 0.2:
                arguments = [json.dumps(a, ensure_ascii=False) for a in arguments]
            calls = [call(random.choice(names), a, i, bare=random.random() < 0.1) for a, i in zip(arguments, ids)]
            said = assistant(random.choice([None, "", "", random.choice(WORDS)]), tool_calls=calls)
            if random.random() < 0.3:
                said["reasoning_content"] = random.choice(WORDS)
            if random.random() < 0.1:
                del said["content"]
            messages.append(said)
            for i in ids:
                messages.append(tool(content(random) or "", tool_call_id=i))
                if random.random() < 0.5:
                    messages[-1]["name"] = random.choice(names)
        messages.append(assistant(content(random)))
        if random.random() < 0.3:
            messages[-1][random.choice(["reasoning_content", "reasoning_content", "reasoning", "thinking"])] = random.choice(WORDS)
    if odd:
        at = random.randrange(len(messages))
        random.choice([
            lambda: messages[at].update(role=random.choice(["critic", "developer", "ipython", "system", "assistant"])),
            lambda: messages[at].pop("content", None),
            lambda: messages[at].update(content=value(random)),
            lambda: messages.insert(at, dict(messages[at])),
            lambda: messages.pop(at)])()
    variables = {"messages": messages}
    if random.random() < 0.6:
        variables["tools"] = [a_tool(random, name) for name in random.sample(names, random.randrange(4))]
    for name, make in (("enable_thinking", lambda: random.random() < 0.5), ("thinking", lambda: random.random() < 0.5),
                       ("reasoning_effort", lambda: random.choice(["low", "high"])),
                       ("preserve_thinking", lambda: random.random() < 0.5)):
        if random.random() < 0.2:
            variables[name] = make()
    return variables
