/* A waker in one word, where there are very many of them: of a million tasks that sleep, each has one.
 *
 * Nearly all wakers are a task's: then the word is the address of the task. Any other waker goes into a block of its own,
 * and the word is the address of that, plus one; so leaving it may fail. 0: there is none. */
#ifndef WAKER_WORD_H
#define WAKER_WORD_H

#include "waker.h"

#include <stdbool.h>
#include <stdint.h>

/* 0; or -ENOMEM: the waker is still the caller's. */
int waker_word_put(uintptr_t *word, struct waker waker);

/* The waker in the word, which is used up by that. */
struct waker waker_word_take(uintptr_t word);

/* Would it wake the same task? Known only of a task's: false may mean that it would. */
bool waker_word_is(uintptr_t word, const struct waker *waker);

#endif
