#include "waker_word.h"

#include "wake.h"

#include <errno.h>
#include <stdlib.h>

int waker_word_put(uintptr_t *word, struct waker waker)
{
    if (waker.vtable == &task_waker) {
        *word = (uintptr_t)waker.data;
        return 0;
    }
    struct waker *block = malloc(sizeof *block);
    if (!block)
        return -ENOMEM;
    *block = waker;
    *word = (uintptr_t)block + 1;
    return 0;
}

struct waker waker_word_take(uintptr_t word)
{
    if (word % 2 == 0)
        return (struct waker){&task_waker, (void *)word};
    struct waker *block = (struct waker *)(word - 1);
    struct waker waker = *block;
    free(block);
    return waker;
}

bool waker_word_is(uintptr_t word, const struct waker *waker)
{
    return waker->vtable == &task_waker && word == (uintptr_t)waker->data;
}
