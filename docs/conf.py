"""Configuration of the documentation site: ``make docs`` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the extension beside this file

from robo_maxent import __version__

project = "robo_maxent"
author = "The robo_maxent authors"
copyright = "the robo_maxent authors, Apache-2.0"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
source_suffix = {".md": "markdown"}
exclude_patterns: list[str] = []

# Markdown. Pages are read on GitHub too, so few features beyond its own.
myst_heading_anchors = 3  # as GitHub makes them
myst_enable_extensions = ["colon_fence", "deflist"]

# Docstrings.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False
python_use_unqualified_type_names = True

# Links to what is not on the site: other packages, type variables, what only the package uses.
_ELSEWHERE = (
    "enum",
    "numpy",
    "torch",
    "mujoco",
    "gymnasium",
    "collections",
    "os",
    "pathlib",
    "abc",
    "typing",
)
_TYPE_VARIABLES = (r"(robo_maxent\.envs\.\w+\.)?[ESV]",)
_IN_SIGNATURES = (
    r"robo_maxent\..*",  # classes that have no page
    r"tuple\[.*",
    "Axis|Kept|ModelProto|MujocoVecEnv|TerrainPool",  # as subclasses elsewhere inherit them
)
nitpick_ignore_regex = [
    *(("py:.*", rf"{package}\..*") for package in _ELSEWHERE),
    *(("py:(class|obj)", name) for name in (*_TYPE_VARIABLES, *_IN_SIGNATURES)),
]

# The site.
html_theme = "furo"
html_title = f"robo_maxent {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
suppress_warnings = ["misc.highlighting_failure"]
