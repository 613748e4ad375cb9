/** A floor that is not there: a grid of metres that fades out, and the shadows that fall on it. */

import { Color, Group, Mesh, PlaneGeometry, ShaderMaterial, ShadowMaterial } from "../../vendor/three/three.module.js";

export const FLOOR_LAYER = 1;

const VERTEX = `
varying vec2 at;
void main() {
  vec4 world = modelMatrix * vec4(position, 1.0);
  at = world.xz;
  gl_Position = projectionMatrix * viewMatrix * world;
}`;

const FRAGMENT = `
varying vec2 at;
uniform vec3 color;
uniform vec2 centre;
uniform float reach;
uniform float step;
uniform float strength;
float lines(vec2 place) {
  vec2 width = max(fwidth(place), vec2(1e-6));
  vec2 near = abs(fract(place - 0.5) - 0.5) / width;
  float crowded = smoothstep(0.5, 0.15, max(width.x, width.y));  // finer than pixels: one grey instead of a flicker
  return (1.0 - min(min(near.x, near.y), 1.0)) * crowded;
}
void main() {
  float fade = pow(clamp(1.0 - length(at - centre) / reach, 0.0, 1.0), 1.6);
  float alpha = max(lines(at / step) * 0.45, lines(at / (step * 5.0))) * fade * strength;
  if (alpha < 0.002) discard;
  gl_FragColor = vec4(color, alpha);
}`;

export class Ground {
  constructor() {
    this.group = new Group();
    this.grid = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      transparent: true,
      depthWrite: false,
      uniforms: { color: { value: new Color() }, centre: { value: [0, 0] }, reach: { value: 10 }, step: { value: 1 }, strength: { value: 0.5 } },
    });
    this.shadow = new ShadowMaterial({ opacity: 0.22, depthWrite: false });
    const plane = new PlaneGeometry(2, 2).rotateX(-Math.PI / 2);
    this.planes = [new Mesh(plane, this.shadow), new Mesh(plane, this.grid)];
    this.planes[0].receiveShadow = true;
    this.planes.forEach((mesh, order) => {
      mesh.renderOrder = order - 10;
      mesh.layers.set(FLOOR_LAYER);
      this.group.add(mesh);
    });
  }

  /** Lie under a scene. @param {import("../../vendor/three/three.module.js").Box3} box */
  fit(box) {
    const size = Math.max(box.max.x - box.min.x, box.max.z - box.min.z, box.max.y - box.min.y, 0.1);
    const [x, z] = [(box.min.x + box.max.x) / 2, (box.min.z + box.max.z) / 2];
    const reach = size * 1.9;
    this.group.position.set(x, box.min.y - size * 0.0015, z);
    this.group.scale.set(reach, 1, reach);
    this.grid.uniforms.centre.value = [x, z];
    this.grid.uniforms.reach.value = reach;
    this.grid.uniforms.step.value = 10 ** Math.round(Math.log10(size / 8));
  }

  /** @param {{grid: string, gridStrength: number, shadow: number}} look */
  paint(look) {
    this.grid.uniforms.color.value.set(look.grid);
    this.grid.uniforms.strength.value = look.gridStrength;
    this.shadow.opacity = look.shadow;
  }
}
