"""Writes libconfig text out of Python values: dict = group, list of dicts = list, other list = array."""


def value(v, depth=0):
    pad = "    " * (depth + 1)
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return str(v)
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, dict):
        lines = [f"{pad}{k} = {value(x, depth + 1)};\n" for k, x in v.items()]
        return "{\n" + "".join(lines) + "    " * depth + "}"
    if v and isinstance(v[0], dict):
        return "( " + ", ".join(value(x, depth) for x in v) + " )"
    return "[ " + ", ".join(value(x, depth) for x in v) + " ]"


def text(options):
    return "".join(f"{k} = {value(v)};\n" for k, v in options.items())


def merged(base, over):
    """base with over on top, group by group; None takes a key away."""
    out = dict(base)
    for key, v in over.items():
        if v is None:
            out.pop(key, None)
        elif isinstance(v, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], v)
        else:
            out[key] = v
    return out
