"""The layers and budgets of the design, read from the source of each module."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sessionstore"

# A line imports only from the lines below it. A name stands for a module or a whole folder.
LAYERS = [
    {"apps", "urls", "migrations"},
    {"checks", "admin", "management", "views", "receivers"},
    {"middleware", "forms", "decorators", "templatetags"},
    {"housekeeping"},
    {"known_devices"},
    {"answers"},
    {"binding", "outside"},
    {"backends"},
    {"moving"},
    {"express"},
    {"users"},
    {"history"},
    {"session"},
    {"links"},
    {"cleaning", "cache"},
    {"table"},
    {"security_log"},
    {"models", "routers", "clients", "caches"},
    {"signals", "telemetry"},
    {"conf"},
    # Nothing below this line imports Django.
    {"core"},
    {"exceptions"},
]
WITHOUT_DJANGO = {"core", "exceptions", "telemetry"}
BANNED_NAMES = {"utils", "helpers", "common", "misc"}
OPTIONAL = {"cryptography", "jwt", "opentelemetry", "redis", "tqdm", "ua_parser"}
# The doors among themselves: which engine builds on which.
ENGINES = {"sql": set(), "cached_sql": {"sql"}, "leaving": {"sql"}, "express": set()}
FUNCTION_LINES, MODULE_LINES = 40, 450
FOLDER_MODULES, ROOT_MODULES = 10, 13
MOST_ANY = 60

MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize(
    "path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES]
)


def dotted(path: Path) -> str:
    """Return the module's full name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path) for path in MODULES}


def targets(node: ast.AST, path: Path) -> list[str]:
    """Return the full names of the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = dotted(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    base = package[: len(package) - node.level + 1] if node.level else []
    origin = ".".join([*base, *([node.module] if node.module else [])])
    inner = [f"{origin}.{alias.name}" for alias in node.names]
    found = [name for name in inner if name in NAMES]
    return found if len(found) == len(inner) else [origin, *found]


def imported(path: Path) -> list[str]:
    """Return all modules that `path` imports anywhere."""
    return [name for node in ast.walk(ast.parse(path.read_text())) for name in targets(node, path)]


def layer_of(module: str) -> int | None:
    """Return the line of the design that a module stands on; the package itself has none."""
    parts = module.split(".")
    if len(parts) == 1:
        return None
    found = [number for number, names in enumerate(LAYERS) if parts[1] in names]
    assert found, f"{module} has no place in the layers: add it to LAYERS"
    return found[0]


@each_module
def test_modules_import_only_from_the_lines_below(path):
    """An import upwards, or sideways to another name on the same line, is refused."""
    own_layer, own = layer_of(dotted(path)), dotted(path).split(".")
    for name in imported(path):
        if not name.startswith("sessionstore."):
            continue
        inside = len(own) > 1 and name.split(".")[1] == own[1]
        other_layer = layer_of(name)
        assert inside or own_layer is None or other_layer > own_layer, f"imports {name}"


@each_module
def test_the_core_does_not_import_django(path):
    """What stands below the line runs, and is tested, without Django."""
    if dotted(path).split(".")[1:2] and dotted(path).split(".")[1] in WITHOUT_DJANGO:
        assert not [name for name in imported(path) if name.partition(".")[0] == "django"]


@each_module
def test_only_conf_reads_the_settings(path):
    """Each setting is read, typed and defaulted at one place."""
    tree = ast.parse(path.read_text())
    readers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "django.conf"
        and "settings" in [alias.name for alias in node.names]
    ]
    assert not readers or dotted(path).startswith("sessionstore.conf")


def nested_imports(
    node: ast.AST, functions: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], ast.Import | ast.ImportFrom]]:
    """Yield imports inside functions, with the names of the functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from nested_imports(child, (*functions, child.name))
        else:
            if functions and isinstance(child, ast.Import | ast.ImportFrom):
                yield functions, child
            yield from nested_imports(child, functions)


@each_module
def test_imports_stand_at_the_top_of_the_file(path):
    """Except optional dependencies, `AppConfig.ready`, and the model that an engine finds."""
    for functions, node in nested_imports(ast.parse(path.read_text())):
        names = targets(node, path)
        optional = all(name.partition(".")[0] in OPTIONAL for name in names)
        ready = path.name == "apps.py" and functions == ("ready",)
        model = functions[-1] == "get_model_class" and "backends" in path.parts
        assert optional or ready or model, f"line {node.lineno} imports {names} in {functions}"


@each_module
def test_functions_and_modules_keep_their_budget(path):
    """A function that outgrows 40 lines, or a module 450, does more than one thing."""
    source = path.read_text()
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= FUNCTION_LINES
    }
    assert long == {}
    assert source.count("\n") <= MODULE_LINES
    assert path.stem not in BANNED_NAMES


def test_folders_keep_their_budget():
    """A newcomer takes a folder in at one look."""
    modules = [path for path in MODULES if path.name != "__init__.py"]
    counts = Counter(path.parent.relative_to(PACKAGE) for path in modules)
    assert counts.pop(Path()) <= ROOT_MODULES
    assert {folder: count for folder, count in counts.items() if count > FOLDER_MODULES} == {}


def test_engines_build_on_each_other_in_one_direction():
    """No engine imports one that the design does not put below it."""
    for name, allowed in ENGINES.items():
        inner = {module.rpartition(".")[2] for module in imported(PACKAGE / f"backends/{name}.py")}
        assert inner & (set(ENGINES) - {name}) <= allowed, name


def test_docstrings_return_rather_than_answer():
    """A browser gets an answer; what a function gives back, it returns."""
    answering = [
        (str(path.relative_to(PACKAGE)), text.split()[1])
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (text := ast.get_docstring(node) or "").startswith("Answer ")
    ]
    assert sorted(answering) == [("middleware.py", "400"), ("middleware.py", "503")]


def assigns(tree: ast.AST, name: str) -> bool:
    """Tell whether a module assigns to an attribute of this name."""
    targets = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return any(node.attr == name and isinstance(node.ctx, ast.Store) for node in targets)


def test_one_file_assigns_what_a_request_knows_of_its_row():
    """And nowhere is that value changed: each of its transitions makes another one."""
    trees = {path: ast.parse(path.read_text()) for path in MODULES}
    assigning = [
        path.relative_to(PACKAGE) for path, tree in trees.items() if assigns(tree, "_known")
    ]
    assert assigning == [Path("session/store.py")]
    known = next(
        node
        for node in ast.walk(trees[PACKAGE / "session/known.py"])
        if isinstance(node, ast.ClassDef) and node.name == "Known"
    )
    fields = [node.target.id for node in known.body if isinstance(node, ast.AnnAssign)]
    # Others have fields of these names too; what is set on a session's value would be `_known.x`.
    chained = [
        path.relative_to(PACKAGE)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr in fields
        and ast.unparse(node.value).endswith(("known", "_known"))
    ]
    assert (len(fields), chained) == (13, [])


def test_a_session_has_few_classes_and_one_flag():
    """No chain of halves; state is a value, and a class is named after what it is."""
    store = ast.parse((PACKAGE / "session/store.py").read_text())
    backend = next(
        node
        for node in store.body
        if isinstance(node, ast.ClassDef) and node.name == "SessionBackend"
    )
    flags = [
        target.id
        for node in backend.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(node.value.value, bool) and target.id.startswith("_")
    ]
    assert flags == ["_is_changing"]
    names = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in names if name.endswith("ingSession")] == []


def test_half_typed_values_are_few():
    """`Any` is for the dict of a session and for Django's own untyped places."""
    folders = ("session", "table")
    words = [
        node
        for folder in folders
        for path in (PACKAGE / folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert len(words) < MOST_ANY


def test_no_modules_import_each_other_in_a_circle():
    """The graph of imports has no cycle."""
    graph = {
        dotted(path): {name for name in imported(path) if name in NAMES and name != dotted(path)}
        for path in MODULES
    }
    # Whatever imports nothing that is left can be taken away; a cycle is what remains.
    while free := [name for name, needs in graph.items() if not needs]:
        graph = {name: needs - set(free) for name, needs in graph.items() if name not in free}
    assert graph == {}
