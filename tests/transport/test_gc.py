"""Collection: nothing that a fall-back could read goes."""

from musicrl_jax.transport import gc, keys, leader, selection, trajectories, waits

NOW = waits.Patience(timeout_seconds=1e-9, sleep=lambda _: None)


def test_only_what_lies_behind_the_oldest_checkpoint_goes(run, make_trajectory):
    made = [make_trajectory(seq=seq, clips=3) for seq in range(3)]
    for trajectory in [*made, make_trajectory("b", digest="of another learner")]:
        run.store.put_if_absent(trajectory.key, trajectories.to_bytes(trajectory))
    lead = leader.BatchLeader(
        log=run.log,
        trajectories=run.reader,
        config=selection.SelectionConfig(batch_clips=2, max_staleness=9),
        epoch=1,
        lineage={0: "digest-0"},
    )
    for step in range(4):
        lead.manifest(step, NOW)
    # Clips 01|23|45|67 of nine: steps 1 and 2 name the first two last; one stays open.
    left = []
    for oldest in range(6):
        gc.collect(run.store, run.log, oldest)
        left.append(len(run.store.list(keys.TRAJECTORIES)))
    assert left == [4, 3, 2, 1, 1, 1]
    assert run.store.list(keys.TRAJECTORIES) == [made[2].key]
    assert len(run.store.list(keys.BATCHES)) == 4


def test_marks_go_with_their_trajectories(run, make_trajectory):
    foreign = make_trajectory("b", digest="of another learner")
    good = make_trajectory()
    for trajectory in (foreign, good):
        run.store.put_if_absent(trajectory.key, trajectories.to_bytes(trajectory))
    run.reader.refuse([(foreign.key, "foreign_digest")])
    lead = leader.BatchLeader(
        log=run.log,
        trajectories=run.reader,
        config=selection.SelectionConfig(batch_clips=2, max_staleness=9),
        epoch=1,
        lineage={0: "digest-0"},
    )
    lead.manifest(0, NOW)
    assert gc.collect(run.store, run.log, 0) == 0
    assert gc.collect(run.store, run.log, 1) == 2
    assert run.store.list(keys.REFUSED) == []
