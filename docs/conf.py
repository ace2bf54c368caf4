"""How Sphinx makes the site of this folder: `make docs`, with every warning as an error."""

import re
import sys
import tomllib
from pathlib import Path

import django
from django.conf import settings
from pygments.lexers.special import TextLexer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_site")]

# autodoc imports the package, and models want settings.
settings.configure(
    SECRET_KEY="of no site",  # noqa: S106 - nothing is signed here
    INSTALLED_APPS=["sessionstore", "django.contrib.auth", "django.contrib.contenttypes"],
    SESSION_ENGINE="sessionstore.backends.sql",
)
django.setup()

PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
project, release = PROJECT["name"], PROJECT["version"]
author = copyright = PROJECT["authors"][0]["name"]  # noqa: A001 - Sphinx's name
extensions = ["myst_parser", "sphinx.ext.autodoc", "generated"]
exclude_patterns = ["_build", "_site"]
nitpicky = True
nitpick_ignore_regex = [
    # Of Django and the standard library, whose pages would have to be asked for.
    ("py:.*", r"(?!sessionstore).*"),
    # Types that are no part of what a site calls.
    ("py:class", r"sessionstore\.(core|conf|session|table)\..*"),
    ("py:class", r"sessionstore\.(decorators\.Decorated|signals\.Reason|[\w.]+\.[A-Z])"),
]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
toc_object_entries = False

html_theme = "furo"
html_title = f"{project} {release}"
html_favicon = "_site/static/icon.svg"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_search_scorer = str(HERE / "_site" / "scorer.js")
smartquotes = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}  # there is no address to edit a page at

# Pages of the repository that are pages of the site, too.
PAGES_OUTSIDE = {
    "../README.md": "index.md",
    "../CHANGELOG.md": "changelog.md",
    "../tests/README.md": "writing-tests.md",
    "../examples/express/README.md": "express-demo.md",
}


def setup(app):
    """Lead links out of this folder to the page that includes the file."""

    def rewrite(_app, _name, source):
        for outside, page in PAGES_OUTSIDE.items():
            source[0] = re.sub(rf"\]\({re.escape(outside)}(?=[#)])", f"]({page}", source[0])

    app.connect("source-read", rewrite)
    app.add_lexer("cron", TextLexer)
