// What attention reads in all of its kernels but the last ones of the tiled family. A kernel's own bindings follow.
@group(0) @binding(0) var<storage, read> query: array<vec4<f32>>; // [Q, H * D]
@group(0) @binding(1) var<storage, read> key: array<vec4<f32>>; // [T, KV * D]
@group(0) @binding(2) var<storage, read> value: array<vec4<f32>>; // [T, KV * D]
