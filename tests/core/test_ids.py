import os

from core.ids import milliseconds_of, uuid7


def test_uuid7_is_unique_version_7_and_ordered_by_time():
    made = [uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    assert {made_id.version for made_id in made} == {7}
    milliseconds = [milliseconds_of(made_id) for made_id in made]
    assert milliseconds == sorted(milliseconds)


def test_uuid7_of_a_forked_process_differs():
    uuid7()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, uuid7().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 16)
    ours = {uuid7().bytes[7:] for _ in range(100)}
    assert theirs[7:] not in ours
