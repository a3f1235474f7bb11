#include "injection.h"

void injection_init(struct injection *injection)
{
    *injection = (struct injection){.lock = PTHREAD_MUTEX_INITIALIZER};
    queue_init(&injection->tasks);
}

/* release: partner injection_length */
static void injection_note_length(struct injection *injection)
{
    atomic_store_explicit(&injection->length, injection->tasks.length, memory_order_release);
}

void injection_push_locked(struct injection *injection, struct task *task)
{
    queue_push(&injection->tasks, task);
    injection_note_length(injection);
}

void injection_push(struct injection *injection, struct task *const *tasks, uint32_t count)
{
    pthread_mutex_lock(&injection->lock);
    for (uint32_t i = 0; i < count; i++)
        queue_push(&injection->tasks, tasks[i]);
    injection_note_length(injection);
    pthread_mutex_unlock(&injection->lock);
}

uint32_t injection_pop(struct injection *injection, struct task **tasks, uint32_t max)
{
    uint32_t count = 0;

    if (injection_length(injection) == 0)
        return 0;
    pthread_mutex_lock(&injection->lock);
    while (count < max && injection->tasks.length > 0)
        tasks[count++] = queue_pop(&injection->tasks);
    injection_note_length(injection);
    pthread_mutex_unlock(&injection->lock);
    return count;
}

void injection_close(struct injection *injection)
{
    pthread_mutex_lock(&injection->lock);
    /* release: partner injection_is_closed */
    atomic_store_explicit(&injection->closed, true, memory_order_release);
    pthread_mutex_unlock(&injection->lock);
}
