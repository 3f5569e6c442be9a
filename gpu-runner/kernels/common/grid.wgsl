// Linear workgroup index of a grid that may be spread over two dimensions (more than 65,535 workgroups).
// The grid may hold surplus workgroups: guard the result against the number of items first.
fn workgroup_index(workgroup: vec3<u32>, workgroup_count: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroup_count.x;
}
