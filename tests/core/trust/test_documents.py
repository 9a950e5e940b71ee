"""docs/security.md has the table of advisories as the code has it."""

from pathlib import Path

from tracer.core.trust.advisories import advisories

PAGE = Path(__file__).parents[3] / "docs" / "security.md"


def test_the_page_has_every_advisory_with_its_releases() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| [CVE-")]
    assert len(lines) == len(advisories())
    for line, advisory in zip(lines, advisories(), strict=True):
        ranges = "; ".join(f"{bad} up to, not including, {fixed}" for bad, fixed in advisory.affected)
        assert line == f"| [{advisory.id}]({advisory.url}) | {advisory.title} | {ranges} |"
