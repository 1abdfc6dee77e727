#include "simulation.h"

#include <pthread.h>
#include <stddef.h>

#define SWIFTCC __attribute__((swiftcall))

typedef SWIFTCC void (*enqueue_original)(void *job);
extern SWIFTCC void (*swift_task_enqueueGlobal_hook)(void *job, enqueue_original original);
// The two words of a serial executor reference; both null: none.
extern SWIFTCC void swift_job_run(void *job, void *identity, void *implementation);

static _Thread_local simulation_sink thread_sink;
static _Thread_local void *thread_context;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static SWIFTCC void on_enqueue(void *job, enqueue_original original) {
    if (thread_sink != NULL) {
        thread_sink(thread_context, job);
    } else {
        original(job);
    }
}

static void install(void) { swift_task_enqueueGlobal_hook = on_enqueue; }

void simulation_capture(simulation_sink sink, void *context) {
    pthread_once(&once, install);
    thread_sink = sink;
    thread_context = context;
}

void simulation_run(void *job) { swift_job_run(job, NULL, NULL); }
