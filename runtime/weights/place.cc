// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/place.h"

#include "schema/reader.h"

namespace sluice {

TensorPlace tensor_place(const fb::Header& header, uint32_t tensor) {
  const fb::Tensor& t = *header.tensors()->Get(tensor);
  const fb::Extent& extent = *header.extents()->Get(t.extent());
  TensorPlace place;
  place.member = member_place(shape_of(header, extent), t.member());
  place.member.first_chunk += extent.first_chunk();
  place.lanes = extent.rows_per_strip();
  return place;
}

}  // namespace sluice
