"""Carries weights, trajectories and batches between the processes of a run.

Everything is an object in a store that is created once and never changed; `keys` has
the map of a run directory. Trajectories are produced at least once and used exactly
once with respect to the learner's line of checkpoints; a replay is exact; no decision
reads a wall clock.

A learner's leader (host 0), in this order:

    opened = store.open_store(run_dir)
    preflight.check_access(opened, writes=[keys.BATCHES, keys.PUBLICATIONS])
    config_hash = configuration.register(opened, operative_config)
    epoch = epochs.claim(opened)
    restored = checkpoints.reader.CheckpointReader(run_dir).restore_newest_verified(...)
    epochs.record_parent(opened, epoch, (restored's epoch, step) or None)
    log = manifests.ManifestLog(opened); log.refresh()
    source = reader.TrajectoryReader(opened, log, layout)
    lineage = publications.lineage(opened, epoch)
    saves = checkpoints.manager.CheckpointStore(run_dir, epoch)
    lead = leader.BatchLeader(log=log, trajectories=source, lineage=lineage, ...)
    publish what was restored: Publication(checkpoint_epoch=restored's epoch, ...)

    for each step k, which takes the state from k to k + 1:
        manifest = lead.manifest(k, patience)     # other hosts: log.get(k), same hash
        batch = batches.assemble(source, manifest, sharding)
        state = update(state, batch)
        now and then: saves.save(k + 1, trees, meta)
        for saved in saves.finished():            # on disk since the last look
            lineage[saved.identity.step] = saved.policy.summary
            publications.publish(opened, Publication(...))
            gc.collect(opened, log, CheckpointReader(run_dir).oldest_step())
    saves.close(); publish the last

An actor, which needs to read everything and create trajectories:

    preflight.check_access(opened, writes=[keys.TRAJECTORIES, keys.HEARTBEATS])
    configuration.register(opened, operative_config)
    log = manifests.ManifestLog(opened)
    sender = writer.TrajectoryWriter(opened, log, name, layout)
    for ever:
        for publication in publications.newest_first(opened):
            params = CheckpointReader(run_dir).restore_policy(...), which verifies them;
            on DamagedCheckpointError the next; none newer: keep the ones there are
        while sender.backlog() >= most: wait      # hold back
        n = sender.next_seq                       # prompts and keys follow from n
        sender.write(Trajectory(seq=n, nonce=sender.nonce, ...), patience)

Errors: `TemporaryError` for what a restart can mend (a full disk, a wait that ran out),
`InputError` for missing rights, `ConfigMismatchError` for a role of another
configuration, `InvariantError` where a person must look: another learner took over, or
a trajectory that a batch was decided on is gone or changed.
"""
