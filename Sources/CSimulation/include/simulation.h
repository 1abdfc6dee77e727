#pragma once

// Takes over the jobs that Swift's runtime would give to its global executor: those enqueued by a thread that runs a
// simulation go to that thread's sink, those of all other threads go on as ever. The hook is exported by the runtime
// but is no documented interface, so nothing but the simulation may use it.

typedef void (*simulation_sink)(void *_Nonnull context, void *_Nonnull job);

/// From here on, jobs this thread enqueues go to `sink`. A thread calls it before its first job and leaves with `sink`
/// NULL; what it left unrun is lost.
void simulation_capture(simulation_sink _Nullable sink, void *_Nullable context);

/// Runs a job that the sink was given, on the calling thread.
void simulation_run(void *_Nonnull job);
