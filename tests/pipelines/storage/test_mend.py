"""Nothing is removed for a damaged file that no build makes again."""

import pytest

from pipelines.storage.folder import Folder
from pipelines.storage.mend import clear_damage
from pipelines.storage.workspace import Workspace
from schemas.errors import DamageError

pytestmark = pytest.mark.timeout(600)


def test_nothing_is_removed_for_a_damaged_file_that_no_build_makes_again(tmp_path):
    place = Workspace(Folder(str(tmp_path)), "0")
    place.real.write_sealed("files.json", b"[]")
    for path in (f"{tmp_path}/mine", f"{tmp_path}/.makeweight/versions/v00001/rows.arrow", "/else/real/files.json"):
        with pytest.raises(DamageError):
            clear_damage(DamageError(path, path), place)
    assert place.real.is_whole("files.json")
