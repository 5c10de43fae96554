"""Inputs of the `file` states: arguments over a few names in a folder of every kind of thing."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from support.states.state_bench import FakeTree, StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

NAMES = among(
    *(f"@/{each}" for each in ("a", "b", "c", "e", "u", "d/x", "d/y", "new/z", "l", "d", "new"))
)
TEXTS = among("", "one", "one\n", "one\ntwo\n", "two", "# one", "key=1", "three\n\n")
MODES = (None, "0644", "0600", 640, "0755")
YES_OR_NO = (True, False)
PATCH = b"--- a\n+++ a\n@@ -1,2 +1,2 @@\n-one\n+uno\n key=1\n"
TREE = {
    "src": b"from the tree\n",
    "tree/x": b"one\n",
    "tree/sub/y": b"two\n",
    "tree/z": b"",
    "patch": PATCH,
}


def world(place: Path) -> World:
    """Give a folder with files, a directory and a link."""
    (place / "d").mkdir()
    (place / "a").write_text("one\nkey=1\n")
    (place / "b").write_text("two\n#one\n#key=3\n")
    (place / "c").write_bytes(b"one\r\n  key = 1\r\n\r\n# key = 2\r\n")
    (place / "e").write_text("")
    (place / "u").write_bytes("one \u00fc\n#  one\none".encode() + b"\xff\n")
    (place / "d/x").write_text("one")
    (place / "d/y").write_text("")
    (place / "l").symlink_to("a")
    for each in place.rglob("*"):
        if not each.is_symlink():
            each.chmod(0o755 if each.is_dir() else 0o644)
    return Sandbox(StateBench(place, FakeTree(dict(TREE))))


def named(**optional: Any) -> st.SearchStrategy[Arguments]:  # noqa: ANN401
    return having({"name": NAMES}, **optional)


def of(
    arguments: st.SearchStrategy[Arguments],
    changing: Arguments | None,
    given: Arguments | None = None,
    **more: Any,  # noqa: ANN401
) -> Inputs:
    """Give inputs whose arguments always have those `given`, unless others were chosen."""
    always = given or {}
    return Inputs(
        world=more.pop("world", world),
        arguments=arguments.map(lambda each: {**always, **each}),
        changing=None if changing is None else {**always, **changing},
        **more,
    )


INPUTS: dict[str, Inputs] = {
    "file.managed": of(
        st.one_of(
            named(contents=TEXTS, mode=MODES, makedirs=YES_OR_NO, replace=YES_OR_NO),
            named(source=["salt://src"], mode=MODES, makedirs=YES_OR_NO, create=YES_OR_NO),
            named(mode=MODES, makedirs=YES_OR_NO, follow_symlinks=YES_OR_NO, contents=TEXTS),
            named(contents=TEXTS, check_cmd=["grep -q one", "true"], show_changes=YES_OR_NO),
        ),
        {"name": "@/a", "contents": "new"},
        examples=60,
    ),
    "file.directory": of(
        named(
            mode=MODES,
            clean=YES_OR_NO,
            force=YES_OR_NO,
            file_mode=MODES,
            recurse=[["mode"], None, ["mode", "ignore_files"]],
            max_depth=[0, 1],
        ),
        {"name": "@/new"},
        {"makedirs": True},
        examples=40,
    ),
    "file.absent": of(named(), {"name": "@/d"}),
    "file.symlink": of(
        named(target=["@/a", "@/b"], force=YES_OR_NO, makedirs=[True]),
        {"name": "@/s"},
        {"target": "@/a"},
        is_announced_in_changes=False,
    ),
    "file.append": of(
        named(text=TEXTS), {"name": "@/a", "text": "x"}, {"text": "new", "makedirs": True}
    ),
    "file.prepend": of(
        named(text=TEXTS, header=YES_OR_NO),
        {"name": "@/a", "text": "x"},
        {"text": "new", "makedirs": True},
    ),
    # Where it is to be appended the next run looks for the whole line, as in Salt: it must be one.
    "file.replace": of(
        st.one_of(
            named(
                append_if_not_found=YES_OR_NO,
                prepend_if_not_found=YES_OR_NO,
                pattern=["^one$", "^key.*"],
                count=[0, 1],
                ignore_if_missing=YES_OR_NO,
            ),
            named(pattern=["one", "(?m)^o.*e", "(?i)KEY"], repl=["two", "", "x\n"]),
            named(not_found_content=["nine"]).map(
                lambda each: {**each, "pattern": "^nowhere$", "append_if_not_found": True}
            ),
        ),
        {"name": "@/a"},
        {"pattern": "^one$", "repl": "two", "backup": False},
    ),
    "file.comment": of(
        named(char=["#", "//"], regex=["key", "^  key", "one"], ignore_missing=YES_OR_NO),
        {"name": "@/a"},
        {"regex": "^one"},
    ),
    "file.uncomment": of(
        named(char=["#", "# ", "//"], regex=["key", "one", "^one"]),
        {"name": "@/b"},
        {"regex": "one"},
    ),
    "file.keyvalue": of(
        named(
            append_if_not_found=YES_OR_NO,
            prepend_if_not_found=YES_OR_NO,
            uncomment=["#", "# "],
            ignore_if_missing=YES_OR_NO,
            separator=["=", " = "],
            key_ignore_case=YES_OR_NO,
            value_ignore_case=YES_OR_NO,
            search_only=YES_OR_NO,
            key_values=[{"key": "2", "other": "x"}],
        ),
        {"name": "@/a"},
        {"key": "key", "value": "2"},
    ),
    "file.blockreplace": of(
        named(
            append_if_not_found=YES_OR_NO,
            prepend_if_not_found=YES_OR_NO,
            content=TEXTS,
            marker_start=["#one"],
            marker_end=["#key=3"],
            insert_before_match=["key"],
            insert_after_match=["one"],
            append_newline=[True, False, None],
            backup=[False],
        ),
        {"name": "@/a", "content": "in", "append_if_not_found": True},
    ),
    # `replace` and `delete` take the first line that fits, in each run the next one, as in Salt:
    # there is one at most.
    "file.line": of(
        st.one_of(
            named(
                mode=["ensure", "insert"],
                match=["one", "key"],
                content=["in", "two", "  in"],
                before=["key"],
                location=["start", "end"],
                indent=YES_OR_NO,
            ),
            named(indent=YES_OR_NO, content=["in", "  in"], mode=["replace", "delete"]).map(
                lambda each: {"mode": "replace", **each, "match": "key=1"}
            ),
        ),
        {"name": "@/a"},
        {"mode": "ensure", "after": "one", "content": "in"},
    ),
    "file.serialize": of(
        named(merge_if_exists=YES_OR_NO, mode=MODES, serializer=["json"]),
        {"name": "@/new/z"},
        {"dataset": {"k": [1, "v"]}, "serializer": "json", "makedirs": True},
    ),
    "file.recurse": of(
        named(clean=YES_OR_NO, file_mode=MODES, dir_mode=MODES, exclude_pat=["x", "sub*"]),
        {"name": "@/new"},
        {"source": "salt://tree"},
    ),
    "file.copy": of(
        # `force` copies each time, as in Salt.
        named(preserve=YES_OR_NO, subdir=YES_OR_NO, mode=MODES),
        {"name": "@/new/z"},
        {"source": "@/b", "makedirs": True},
        is_announced_in_changes=False,
    ),
    "file.rename": of(
        named(force=YES_OR_NO),
        {"name": "@/new/z"},
        {"source": "@/d/x", "makedirs": True},
        is_announced_in_changes=False,
    ),
    "file.tidied": of(
        named(rmdirs=YES_OR_NO, matches=[["x"], ["^y"]], size=[0, 3]),
        {"name": "@/d"},
    ),
    "file.hardlink": of(
        named(force=YES_OR_NO),
        {"name": "@/new/z"},
        {"target": "@/b", "makedirs": True},
        is_announced_in_changes=False,
    ),
    "file.decode": of(
        named(checksum=["md5", "sha256"]), {"name": "@/new"}, {"encoded_data": "aGVsbG8="}
    ),
    "file.exists": of(named(), None),
    "file.missing": of(named(), None),
    "file.accumulated": of(
        named(text=TEXTS),
        None,
        {"filename": "@/a", "text": "more", "require_in": [{"file": "@/a"}]},
    ),
    "file.patch": of(
        named(strip=[0, 1], options=["", "-l"]), {"name": "@/a"}, {"source": "salt://patch"}
    ),
    "file.mknod": of(
        named(mode=MODES), {"name": "@/new"}, {"ntype": "p"}, is_announced_in_changes=False
    ),
}
