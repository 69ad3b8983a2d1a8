"""Profiles from files, the environment and the command line; bound to their places; rebuilt in a child process."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.frozen import replace
from harness.model import Phase
from harness.profile import Profile, Settings, Tables, paths
from harness.profile.keys import children, leaves, root_type
from harness.profile.overrides import apply_environment, apply_options
from harness.profile.problems import InvalidProfileError, Problem
from harness.profile.public_key import with_key_files
from harness.profile.schema import Section
from harness.profile.sources import WAIVERS, Tree, available, chain, name_of
from harness.profile.validation import PLACEHOLDER, judged
from harness.profile.waivers import WaiverFile, read_waivers

DEFAULT = "default"


def load_profile(
    name: str,
    tables: Tables,
    *,
    folder: Path,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Profile:
    """Read a profile with everything it extends, and lay the environment and then `overrides` over it.

    Tables merge key by key; a list, and an array of tables, replaces the one it inherits.

    Args:
        name: a profile's name, or the path of a ``.toml`` file.
        tables: the gates and resources that it may hold.
        folder: where profiles are looked for before the shipped ones; need not exist.
        overrides: ``key.path=VALUE`` each, the value as TOML or a bare word.
        environ: the environment; this process's own if not given.

    Raises:
        ProfileError: a file is missing or no TOML (`InvalidProfileError` with every problem where the content is wrong).
    """
    tree = Tree()
    sources = chain(name, folder)
    keyless: list[Problem] = []
    for source in sources:
        values, wrong_keys = with_key_files(source.values, source.path.parent)
        keyless += [Problem(source.origin(path), paths.dotted(path), text) for path, text in wrong_keys]
        tree.lay({key: value for key, value in values.items() if key != "extends"}, source.origin)
    kind = root_type(tables)
    found = [
        *apply_environment(tree, os.environ if environ is None else environ, kind),
        *apply_options(tree, overrides, kind),
    ]

    def where(path: paths.Path) -> str:
        return tree.origin(path) or sources[-1].label

    root, wrong = judged(tree.values, tables, where)
    if keyless or found or wrong or root is None:
        told = {(each.source, each.key) for each in keyless}
        wrong = [each for each in wrong if (each.source, each.key) not in told]
        raise InvalidProfileError(name_of(name), [*keyless, *found, *wrong])
    made = _assemble(name_of(name), tree.values, root, tables, lambda path: tree.leaf_origin(path) or DEFAULT)
    file = waiver_file(made, Path(name).parent if name.endswith(".toml") else folder)
    return replace(made, waivers=file.of(made.name), waivers_problem=file.problem)


def waiver_file(profile: Profile, folder: Path, now: datetime | None = None) -> WaiverFile:
    """Read the file of waivers that a profile of this folder names, at this moment if no other is given."""
    rules = profile.policy
    return read_waivers(
        folder / rules.waivers,
        days=rules.waiver_days,
        environments={profile.name, *available(folder)},
        now=now or datetime.now(UTC),
        must_exist=rules.waivers != WAIVERS,
    )


def bind(profile: Profile, tables: Tables, environ: Mapping[str, str]) -> Profile:
    """Put the variables' values in for ``${NAME}`` and ``${NAME:-default}`` in the profile's places.

    As in a shell's ``:-``, an empty variable counts as one that is not set. The source of a bound value tells the
    variables that went into it.

    Raises:
        InvalidProfileError: a variable is not set and has no default, or a value does not fit its place.
    """
    tree = Tree(paths.copied(dict(profile.resolved)))
    sources = {key: setting.source for key, setting in profile.settings.items()}
    missing: list[Problem] = []

    def fill(text: str, key: str) -> str:
        for match in PLACEHOLDER.finditer(text):
            if not environ.get(match["name"]) and match["default"] is None:
                hint = f"set the variable, or write ${{{match['name']}:-default}}"
                missing.append(
                    Problem(sources.get(key, ""), key, f"needs the variable {match['name']}; {hint}")
                )
        return PLACEHOLDER.sub(lambda match: environ.get(match["name"]) or match["default"] or "", text)

    for path, value in paths.walk(profile.resolved):
        leaf = path[:-1] if isinstance(path[-1], int) else path
        key = paths.dotted(leaf)
        if isinstance(value, str) and key in profile.places and PLACEHOLDER.search(value):
            tree.put(path, fill(value, key), "")
            names = ", ".join(match["name"] for match in PLACEHOLDER.finditer(value))
            sources[key] = f"{sources.get(key, '')} ({names})".strip()
    if missing:
        raise InvalidProfileError(profile.name, missing)
    bound = rebuild(tree.values, profile.name, tables, sources=sources)
    return replace(bound, waivers=profile.waivers, waivers_problem=profile.waivers_problem)


def rebuild(
    resolved: Mapping[str, Any], name: str, tables: Tables, *, sources: Mapping[str, str] | None = None
) -> Profile:
    """The same profile again from `Profile.resolved`, as it travels to a child process in JSON.

    Args:
        resolved: the merged values.
        name: the profile's name.
        tables: the same tables that it was loaded with.
        sources: where each setting came from, by its dotted key; those not named count as defaults.

    Raises:
        InvalidProfileError: the values do not validate.
    """
    known = sources or {}

    root, wrong = judged(resolved, tables, lambda path: known.get(paths.dotted(path), ""), written=False)
    if root is None:
        raise InvalidProfileError(name, wrong)
    return _assemble(name, resolved, root, tables, lambda path: known.get(paths.dotted(path), DEFAULT))


def _assemble(
    name: str,
    resolved: Mapping[str, Any],
    root: Any,  # noqa: ANN401 - of a class known only while running
    tables: Tables,
    source_of: Callable[[paths.Path], str],
) -> Profile:
    found = {paths.dotted(path): (path, leaf) for path, leaf in leaves(root) if leaf.value is not None}
    return Profile(
        name=name,
        description=root.description,
        app=root.app,
        aws=root.aws,
        local=root.local,
        policy=root.policy,
        reports=root.reports,
        suites=root.suites,
        phases={Phase(key): _layers(value) for key, value in _by_key(root.phases).items() if value},
        gates=_by_key(root.gates),
        resources={path: tuple(_at(root, path)) for path in tables.resources},
        resolved=paths.copied(dict(resolved)),
        settings=Settings(
            {key: leaf.value for key, (_, leaf) in found.items()}, lambda key: source_of(found[key][0])
        ),
        places=frozenset(key for key, (_, leaf) in found.items() if leaf.place),
        store=root.store,
        approval=root.approval,
        override=root.override,
    )


def _layers(value: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(layer) for layer in value)


def _by_key(section: Section) -> dict[str, Any]:
    """The values of a table by the keys they are written with."""
    return dict(zip(children(type(section)), (value for _, value in section), strict=True))


def _at(section: Any, path: str) -> Any:  # noqa: ANN401 - a class known only while running
    for part in path.split("."):
        section = getattr(section, part)
    return section
