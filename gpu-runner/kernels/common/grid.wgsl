// Linear workgroup index of a grid that may be spread over two dimensions (more than 65,535 workgroups).
// The grid may hold surplus workgroups: guard the result against the number of items first.
struct Grid {
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroup_count: vec3<u32>,
}

fn workgroup_index(grid: Grid) -> u32 {
  return grid.workgroup.x + grid.workgroup.y * grid.workgroup_count.x;
}
