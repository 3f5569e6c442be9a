// What the backward pass of attention reads besides; the statistics are attention_statistics'. A kernel's own bindings follow.
// with: attention_inputs
@group(0) @binding(3) var<storage, read> d_output: array<vec4<f32>>; // [Q, H * D]
@group(0) @binding(4) var<storage, read> statistics: array<vec2<f32>>; // [Q, H]: log_sum_exp in nats, delta
