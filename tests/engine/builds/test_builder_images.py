"""Images of other makers build, or are said to lack something, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import dagger

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

WORKSPACE = {
    "Cargo.toml": (
        '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nlibrary = { path = "library" }\n'
        '[workspace]\nmembers = ["library"]\n'
    ),
    "src/main.rs": 'fn main() {\n    println!("{} one", library::name());\n}\n',
    "library/Cargo.toml": '[package]\nname = "library"\nversion = "0.1.0"\nedition = "2021"\n',
    "library/src/lib.rs": 'pub fn name() -> &\'static str {\n    "library"\n}\n',
}
FOLDER = "/opt/programs"
LINKER = ("cc", "ld", "ld.lld")
# Whatever somebody might call without looking for it on the PATH.
OTHERS = (
    "sh",
    "bash",
    "dash",
    "cat",
    "ls",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "chmod",
    "env",
    "tar",
    "awk",
    "sed",
    "grep",
    "find",
)


def with_programs_only(builder: dagger.Container, *names: str) -> dagger.Container:
    """Return a builder on whose PATH there is nothing but these programs, and no shell anywhere."""
    for name in names:
        builder = builder.with_symlink(f"/usr/bin/{name}", f"{FOLDER}/{name}")
    builder = builder.without_files([f"/usr/bin/{name}" for name in OTHERS])
    return builder.with_env_variable("PATH", FOLDER)


def builds(scenario: Scenario) -> None:
    """Check that programs are built, and built anew after an edit, and that nothing is kept from one's own image."""
    assert scenario.output() == "library one\n"
    scenario.replace("src/main.rs", "one", "two")
    built = scenario.build()
    assert built.report.compiled == ("app",)
    assert built.blocking.run("app", check=True).stdout == "library two\n"


def test_a_builder_needs_rustc_cargo_and_a_linker_and_no_other_program(make_scenario: MakeScenario) -> None:
    """Neither coreutils nor a shell, and no user but an ordinary one with a number for a name."""
    scenario = make_scenario(WORKSPACE)
    home = scenario.engine.client.directory().with_new_directory("home", permissions=0o755).directory("home")
    scenario.builder = (
        with_programs_only(scenario.builder, "rustc", "cargo", *LINKER)
        .with_directory("/home/builder", home, owner="1234:1234")
        .with_env_variable("CARGO_HOME", "/home/builder/cargo")
        .with_user("1234:1234")
    )
    builds(scenario)
    assert scenario.build().report.compiled == ()


def test_what_an_image_has_set_is_its_own_affair(make_scenario: MakeScenario) -> None:
    """An entry point, a folder to work in that is not there, /out, cargo's home elsewhere, variables of tools."""
    scenario = make_scenario(WORKSPACE)
    scenario.builder = (
        scenario.builder.with_entrypoint(["false"])
        .with_workdir("/not/there")
        .with_new_file("/out/report.json", "not a report")
        .with_env_variable("CARGO_HOME", "/somewhere/cargo home")
        .with_env_variable("TAR_OPTIONS", "--verbose")
        .with_env_variable("LC_ALL", "tr_TR.UTF-8")
    )
    builds(scenario)


def test_variables_of_a_build_are_no_names_of_ours(make_scenario: MakeScenario) -> None:
    """Names that a program of ours might have had for itself are for cargo and build scripts only."""
    scenario = make_scenario(WORKSPACE)
    names = ("VOLUME", "PACKAGES", "BUILD_VARIABLES", "LC_ALL", "OUT", "TARGET", "ROOT", "BUILD_ID", "HOST")
    read = ", ".join(f'env!("{name}")' for name in names)
    scenario.write({"src/main.rs": f'fn main() {{\n    println!("{{:?}}", [{read}]);\n}}\n'})
    env = {name: f"value of {name}" for name in names}
    assert scenario.output(env=env) == f"{list(env.values())}\n".replace("'", '"')


def test_an_older_toolchain_compiles_the_agent(make_scenario: MakeScenario, older_builder_image: str) -> None:
    """And builds with it: the oldest that there is an image of."""
    scenario = make_scenario(WORKSPACE)
    scenario.builder = scenario.engine.client.container().from_(older_builder_image)
    builds(scenario)


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        (
            ("rustc", "cargo"),
            (
                "The builder image has no linker: rustc looks for `cc`.\n"
                "  Install a C compiler in it (Debian: gcc and libc6-dev; Alpine: build-base)."
            ),
        ),
        (
            ("cargo", *LINKER),
            "The builder image has no rustc on its PATH.\n  Choose an image with rustc, cargo and a linker.",
        ),
        (
            ("rustc", *LINKER),
            (
                "The build container failed (exit code 94).\ncargo cannot be started: No such file or directory "
                "(os error 2). The builder image needs cargo on its PATH."
            ),
        ),
    ],
    ids=["linker", "rustc", "cargo"],
)
def test_what_is_missing_is_named(
    make_scenario: MakeScenario, programs: tuple[str, ...], message: str
) -> None:
    """And what to do; nobody has to read what a tool says of it."""
    scenario = make_scenario(WORKSPACE)
    scenario.builder = with_programs_only(scenario.builder, *programs)
    with pytest.raises(DaggerRustError) as caught:
        scenario.build()
    assert str(caught.value) == message


def test_a_home_of_cargo_s_that_cannot_be_written_is_named(make_scenario: MakeScenario) -> None:
    """Cargo itself could not work with it either."""
    scenario = make_scenario(WORKSPACE)
    scenario.builder = scenario.builder.with_env_variable("CARGO_HOME", "/etc/cargo").with_user("1234")
    with pytest.raises(
        DaggerRustError, match="cargo's home /etc/cargo is not the builder's user's to write to"
    ):
        scenario.build()
