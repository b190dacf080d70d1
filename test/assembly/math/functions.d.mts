export const f32Functions: string[];
export const f64Functions: string[];
