/* llama.cpp's quantisers for bench/quantize.mjs --native: CPU seconds of one call for every request on standard input.
 *   gcc -O2 bench/peers/quantize.c -o /tmp/quantize-native
 *   /tmp/quantize-native LIBGGML_BASE.so VALUES.f32 IMATRIX.f32 N_PER_ROW
 * A request is "type rows weighted", the answer the seconds; an empty line where the library does not know the type. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef size_t (*quantize_chunk)(int, const float *, void *, int64_t, int64_t, int64_t, const float *);

static float *read_floats(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) exit(2);
  fseek(file, 0, SEEK_END);
  long bytes = ftell(file);
  rewind(file);
  float *data = malloc(bytes);
  if (fread(data, 1, bytes, file) != (size_t) bytes) exit(2);
  fclose(file);
  return data;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
  void *library = argc == 5 ? dlopen(argv[1], RTLD_NOW) : NULL;
  quantize_chunk quantize = library ? (quantize_chunk) dlsym(library, "ggml_quantize_chunk") : NULL;
  const char *(*name)(int) = library ? (const char *(*)(int)) dlsym(library, "ggml_type_name") : NULL;
  if (!quantize || !name) return fprintf(stderr, "expected libggml-base.so and three more arguments\n"), 1;
  float *values = read_floats(argv[2]), *imatrix = read_floats(argv[3]);
  int64_t per_row = atol(argv[4]);
  int type, weighted;
  long rows;
  void *out = malloc((size_t) 1 << 26);
  while (scanf("%d %ld %d", &type, &rows, &weighted) == 3) {
    double start = seconds();
    quantize(type, values, out, 0, rows, per_row, weighted ? imatrix : NULL);
    printf("%.9f\n", seconds() - start);
    fflush(stdout);
  }
  return 0;
}
