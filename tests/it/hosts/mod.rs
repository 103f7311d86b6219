//! The hosts around a running operator, when they fail in ways that look like something else: a vCenter that ends sessions, or
//! tells of less than there is; an API server that goes away, forgets, or is put back to yesterday.

mod kubernetes;
mod vcenter;
