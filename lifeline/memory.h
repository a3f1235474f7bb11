/* Memory for a program that reads one file and ends: when there is no more, it says so and exits with 2. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/* count zeroed elements; free() gives them back. Never NULL. */
void *memory_array(size_t count, size_t size);

/* Makes room for one more element behind count: returns elements, perhaps at a new address. The room doubles whenever
 * count reaches a power of two, so the array needs no capacity beside it. New elements are not zeroed. */
void *memory_more(void *elements, size_t count, size_t size);

#endif
