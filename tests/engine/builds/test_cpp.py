"""A build script that compiles C++ works in the builder of the development stack, as in the official images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.engine.scenario import Scenario

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[build-dependencies]\ncc = "1"\n',
    "build.rs": 'fn main() { cc::Build::new().cpp(true).file("src/word.cpp").compile("word"); }\n',
    "src/word.cpp": '#include <string>\nextern "C" int length() { return std::string("four").size(); }\n',
    "src/main.rs": 'extern "C" { fn length() -> i32; }\nfn main() { println!("{}", unsafe { length() }); }\n',
}


def test_a_build_script_compiles_cpp(make_scenario: Callable[[Mapping[str, str]], Scenario]) -> None:
    """It finds `c++` and the standard library; the program links it statically, for the runtime image has none."""
    scenario = make_scenario(FILES)
    scenario.options = type(scenario.options)(env={"CXXSTDLIB": "static=stdc++"})
    scenario.lock()
    assert scenario.output() == "4\n"
