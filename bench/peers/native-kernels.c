// Times ggml's own matrix products, for bench/types.mjs. Knows ggml only by the names that its libraries export, so it is
// compiled without its headers and runs with llama.cpp's prebuilt libraries or a build of ik_llama.cpp.
//   cc -O2 -o native-kernels native-kernels.c -ldl && ./native-kernels libggml-base.so libggml-cpu-zen4.so
// Commands on standard input, one answer line each:
//   weights TYPE K ROWS FILE INTERLEAVED   ggml type number; FILE: rows of quantised bytes, repeated until there are ROWS;
//                                          INTERLEAVED 1: in the layout that llama.cpp chooses at load. Answer: ok or no
//   time COLUMNS SECONDS                   best processor time of one product with COLUMNS columns, activations' packing included

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct init_params {
  size_t mem_size;
  void *mem_buffer;
  bool no_alloc;
};

static void *need(const char *name) {
  void *found = dlsym(RTLD_DEFAULT, name);
  if (!found) {
    fprintf(stderr, "native-kernels: expected %s in the libraries, found none\n", name);
    exit(1);
  }
  return found;
}
#define CALL(type, name, ...) ((type(*)())need(#name))(__VA_ARGS__)

/** Processor time, as in types.mjs. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *new_context(void) {
  struct init_params params = {1 << 20, NULL, true};
  return ((void *(*)(struct init_params))need("ggml_init"))(params);
}

static void *new_matrix(void *context, int type, int64_t k, int64_t rows) {
  return ((void *(*)(void *, int, int64_t, int64_t))need("ggml_new_tensor_2d"))(context, type, k, rows);
}

static void set_bytes(void *tensor, const void *bytes, size_t offset, size_t n) {
  ((void (*)(void *, const void *, size_t, size_t))need("ggml_backend_tensor_set"))(tensor, bytes, offset, n);
}

static void *backend, *plain;
static void *weights_context, *weights_buffer, *weights;
static int64_t n_k;

/** The buffer type of llama.cpp's interleaved layouts; NULL where this build has none. */
static void *interleaving(void) {
  void *get_device = dlsym(RTLD_DEFAULT, "ggml_backend_get_device");
  if (!get_device) return NULL;
  void *device = ((void *(*)(void *))get_device)(backend);
  void *registry = CALL(void *, ggml_backend_dev_backend_reg, device);
  void *extra = CALL(void *, ggml_backend_reg_get_proc_address, registry, "ggml_backend_dev_get_extra_bufts");
  if (!extra) return NULL;
  for (void **types = ((void **(*)(void *))extra)(device); types && *types; types++) {
    const char *name = CALL(const char *, ggml_backend_buft_name, *types);
    if (name && name[0] == 'C' && name[4] == 'R') return *types; // CPU_REPACK
  }
  return NULL;
}

/** A graph of one product of the weights with `columns` columns; *context and *buffer are the caller's to free. */
static void *product(int64_t columns, void **context, void **buffer, void **node) {
  *context = new_context();
  void *x = new_matrix(*context, 0, n_k, columns);
  *node = CALL(void *, ggml_mul_mat, *context, weights, x);
  void *graph = CALL(void *, ggml_new_graph, *context);
  CALL(void, ggml_build_forward_expand, graph, *node);
  *buffer = CALL(void *, ggml_backend_alloc_ctx_tensors_from_buft, *context, plain);
  float *values = malloc(n_k * columns * 4);
  for (int64_t i = 0; i < n_k * columns; i++) values[i] = (float)((i * 7919) % 2003 - 1001) / 1001;
  set_bytes(x, values, 0, n_k * columns * 4);
  free(values);
  return graph;
}

static void forget(void *context, void *buffer) {
  CALL(void, ggml_backend_buffer_free, buffer);
  CALL(void, ggml_free, context);
}

static bool load_weights(int type, int64_t rows, const char *path, bool interleaved) {
  if (weights) forget(weights_context, weights_buffer);
  weights = NULL;
  void *buffer_type = interleaved ? interleaving() : plain;
  if (!buffer_type) return false;
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  fseek(file, 0, SEEK_END);
  size_t given = ftell(file);
  rewind(file);
  size_t row_bytes = ((size_t(*)(int, int64_t))need("ggml_row_size"))(type, n_k), all = row_bytes * rows;
  char *bytes = malloc(all);
  for (size_t at = 0; at < all; at += given) {
    rewind(file);
    if (fread(bytes + at, 1, all - at < given ? all - at : given, file) == 0) exit(1);
  }
  fclose(file);
  weights_context = new_context();
  weights = new_matrix(weights_context, type, n_k, rows);
  weights_buffer = CALL(void *, ggml_backend_alloc_ctx_tensors_from_buft, weights_context, buffer_type);
  bool usable = true;
  if (interleaved) {
    void *context, *buffer, *node;
    product(1, &context, &buffer, &node);
    void *device = CALL(void *, ggml_backend_get_device, backend);
    usable = ((bool (*)(void *, void *))need("ggml_backend_dev_supports_op"))(device, node);
    forget(context, buffer);
  }
  if (usable) set_bytes(weights, bytes, 0, all);
  free(bytes);
  return usable;
}

static double best_time(int64_t columns, double seconds) {
  void *context, *buffer, *node;
  void *graph = product(columns, &context, &buffer, &node);
  double best = 1e9, end = now() + seconds;
  for (int i = 0; i < 3 || now() < end; i++) {
    double start = now();
    CALL(int, ggml_backend_graph_compute, backend, graph);
    double took = now() - start;
    if (took < best) best = took;
  }
  forget(context, buffer);
  return best;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (!dlopen(argv[i], RTLD_LAZY | RTLD_GLOBAL)) {
      fprintf(stderr, "native-kernels: %s\n", dlerror());
      return 1;
    }
  }
  backend = CALL(void *, ggml_backend_cpu_init);
  CALL(void, ggml_backend_cpu_set_n_threads, backend, 1);
  plain = CALL(void *, ggml_backend_get_default_buffer_type, backend);
  char line[4096], path[4000];
  while (fgets(line, sizeof line, stdin)) {
    int type, interleaved;
    long long k, rows, columns;
    double seconds;
    if (sscanf(line, "weights %d %lld %lld %3999s %d", &type, &k, &rows, path, &interleaved) == 5) {
      n_k = k;
      puts(load_weights(type, rows, path, interleaved) ? "ok" : "no");
    } else if (sscanf(line, "time %lld %lf", &columns, &seconds) == 2 && weights) {
      printf("%.9f\n", best_time(columns, seconds));
    } else {
      puts("error");
    }
    fflush(stdout);
  }
  return 0;
}
